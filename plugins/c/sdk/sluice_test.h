/*
 * Runs a transform on your machine, without sluice: link your test with the transform and `sluice_test.c`, which
 * includes `sluice.c`. Bytes and rows work; kernels are not computed, but a column tells which ones were called for it.
 */
#ifndef SLUICE_TEST_H
#define SLUICE_TEST_H

#include "sluice.h"

/// Begins with a table without columns and these settings, the text of a JSON object.
void sluice_test_begin(const char *settings);

/// Adds a `string` column; NULL is null.
void sluice_test_texts(const char *name, const char *const *values, size_t rows);
/// Adds a `long` column.
void sluice_test_longs(const char *name, const int64_t *values, size_t rows);
/// Adds any other column, which a `sluice_writer` made.
void sluice_test_column(const char *name, sluice_column column, size_t rows);
/// The column added last belongs to the primary key.
void sluice_test_key(void);
/// The rows' ops, a letter each; `I` without this.
void sluice_test_ops(const char *ops);

/// Configures the transform and runs it on all rows. False if it fails: `sluice_test_error` says why.
bool sluice_test_run(void);
const char *sluice_test_error(void);

/// A column that was written.
sluice_column sluice_test_written(const char *name);
/// A written `string` column's text; NULL for null.
const char *sluice_test_text_at(const char *name, size_t row);
/// The kernels that make a written column, such as `lower(trim(email))`.
const char *sluice_test_computed(const char *name);
/// Why a row was rejected; NULL if it was not.
const char *sluice_test_reason(size_t row);
/// The kernels that make the column of reasons, if kernels make it.
const char *sluice_test_computed_reasons(void);
/// Whether a row is kept.
bool sluice_test_kept(size_t row);

#endif
