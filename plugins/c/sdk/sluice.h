/*
 * Write transforms for sluice in C: what shapes the rows of a table on their way from the log to the current state.
 *
 * A transform defines `sluice_configure` and `sluice_transform` and is built together with `sluice.c`. Each batch gets
 * an instance of its own, which ends with it: nothing has to be freed.
 */
#ifndef SLUICE_H
#define SLUICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

// ---- What is wrong ------------------------------------------------------------------------------------------------

#if defined(__GNUC__)
#define SLUICE_FORMAT(text, arguments) __attribute__((format(printf, text, arguments)))
#else
#define SLUICE_FORMAT(text, arguments)
#endif

/// Says why a function of the transform fails; always false, so that it can end with `return sluice_fail(...)`. The
/// format knows `%s`, `%.*s`, `%c`, `%d`, `%u`, `%x`, `%zu`, `%lld`, `%llu` and `%%`.
bool sluice_fail(const char *format, ...) SLUICE_FORMAT(1, 2);

/// Ends the call at once: for what cannot happen.
_Noreturn void sluice_panic(const char *format, ...) SLUICE_FORMAT(1, 2);

typedef enum { SLUICE_DEBUG, SLUICE_INFO, SLUICE_WARN, SLUICE_ERROR } sluice_level;

/// A line for sluice's log. What is too much is counted and left out.
void sluice_log(sluice_level level, const char *format, ...) SLUICE_FORMAT(2, 3);

/// Adds to a number that sluice reports for this table under `name`.
void sluice_metric(const char *name, double add);

/// A formatted text, ended by a NUL.
char *sluice_format(const char *format, ...) SLUICE_FORMAT(1, 2);

/// Memory that lives as long as the instance; ends the call if there is none.
void *sluice_allocate(size_t size);

// ---- What a transform is told and answers -------------------------------------------------------------------------

/// A text or bytes, without a NUL at the end. `data` is NULL for null.
typedef struct {
  const char *data;
  size_t size;
} sluice_text;

/// A C string as a text.
static inline sluice_text sluice_text_of(const char *string) {
  sluice_text text = {string, strlen(string)};
  return text;
}

/// Whether both hold the same bytes.
static inline bool sluice_text_is(sluice_text text, const char *string) {
  return text.data != NULL && strlen(string) == text.size && memcmp(text.data, string, text.size) == 0;
}

/// A column of the table.
typedef struct {
  const char *name;
  /// Its type, such as `string` or `decimal(10,2)`.
  const char *data_type;
  /// Whether it may be null: every column but the key's may.
  bool nullable;
  /// Whether it belongs to the primary key.
  bool key;
} sluice_input_column;

/// What a transform is configured with.
typedef struct {
  /// The table, as `schema.table`.
  const char *table;
  /// The settings from the configuration, as the text of a JSON object.
  const char *settings;
  /// 32 bytes as 64 hexadecimal digits, the same for all batches of this table: the only randomness there is.
  const char *seed;
  /// The table's columns.
  const sluice_input_column *columns;
  size_t column_count;
} sluice_setup;

/// A column of the batch, which the host holds.
typedef struct {
  uint32_t handle;
} sluice_column;

/// Rows to be shaped.
typedef struct {
  size_t rows;
  /// The columns that the plan reads, in that order.
  const sluice_column *columns;
  size_t column_count;
  /// What each row does, a `string`: `L` comes from a full load, `I` inserts, `U` updates, `D` deletes.
  sluice_column ops;
  /// The number of each row in the table's log, a `long`: it is the same whenever Silver is made anew.
  sluice_column ordinals;
  /// When each row was committed at the source, a `timestamptz`; null where the source does not say.
  sluice_column times;
} sluice_batch;

typedef struct sluice_plan sluice_plan;
typedef struct sluice_output sluice_output;

/// Defined by the transform: says in `plan` what it is going to do with a table. `sluice_fail` says what is wrong with
/// the settings or the table's columns; the table then stands still until someone mends it.
bool sluice_configure(const sluice_setup *setup, sluice_plan *plan);

/// Defined by the transform: shapes a batch. `sluice_fail` counts for all of its rows: the host cuts the batch until
/// only the rows at fault fail.
bool sluice_transform(const sluice_batch *batch, sluice_output *output);

/// Wants to see a column.
void sluice_plan_read(sluice_plan *plan, const char *name);
/// Writes a column, which may be null. The name of a column of the table replaces it; any other is added at the end.
void sluice_plan_write(sluice_plan *plan, const char *name, const char *data_type);
/// The column written last may not be null: a null rejects the row.
void sluice_plan_required(sluice_plan *plan);
/// The column written last is computed from this column, and from others named so (without this, from all that are
/// read): where the source did not send them, it keeps its value.
void sluice_plan_computed_from(sluice_plan *plan, const char *name);
/// A column ends here.
void sluice_plan_drop(sluice_plan *plan, const char *name);
/// Wants to see rows that delete; else they pass by. A delete has its key; its other columns may be null.
void sluice_plan_deletes(sluice_plan *plan);
/// Adds a column to a key of Silver's own. The transform then has to see deletes, too.
void sluice_plan_key(sluice_plan *plan, const char *name);
/// May return several rows for one. It then needs a key of its own that tells them apart.
void sluice_plan_fan_out(sluice_plan *plan);

/// A column that the plan reads. Ends the call if it does not.
sluice_column sluice_batch_column(const sluice_batch *batch, const char *name);

/// A column that the plan writes, in any order.
void sluice_output_write(sluice_output *output, const char *name, sluice_column column);
/// A `boolean` a row of the batch: rows where it is not true are dropped, and so is their key's row in Silver. Not
/// together with `sluice_output_source_rows`.
void sluice_output_keep(sluice_output *output, sluice_column condition);
/// An `int` an output row: the row of the batch that it comes from (0 is the first), never falling.
void sluice_output_source_rows(sluice_output *output, sluice_column rows);
/// A `string` a row of the batch: where it is not null, the row is rejected, and this is the reason.
void sluice_output_rejected(sluice_output *output, sluice_column reasons);
/// A `string` an output row: its op, where it is not that of its source row; null leaves it.
void sluice_output_ops(sluice_output *output, sluice_column ops);

// ---- Settings -----------------------------------------------------------------------------------------------------

/// A value in the settings, as JSON; `size` is 0 where there is none.
typedef sluice_text sluice_setting;

/// The settings' object.
sluice_setting sluice_settings(const sluice_setup *setup);
/// What an object holds under this name; nothing for null, too.
sluice_setting sluice_setting_field(sluice_setting object, const char *name);
/// The next item of a list, which gets shorter by it; false at its end, or if it is no list.
bool sluice_setting_next(sluice_setting *list, sluice_setting *item);
/// A text, ended by a NUL; NULL if it is none.
const char *sluice_setting_string(sluice_setting setting);
/// A whole number; false if it is none.
bool sluice_setting_long(sluice_setting setting, int64_t *value);
/// A number; false if it is none.
bool sluice_setting_double(sluice_setting setting, double *value);
/// `true` or `false`; false if it is neither.
bool sluice_setting_boolean(sluice_setting setting, bool *value);

// ---- A column's bytes ---------------------------------------------------------------------------------------------

/// What the values of a column are in C.
typedef enum {
  SLUICE_BOOLEAN, ///< `boolean`: bool.
  SLUICE_INT,     ///< `int`, `date` (days since 1970-01-01): int32_t.
  SLUICE_LONG,    ///< `long`, `time` (microseconds since midnight), `timestamp` and `timestamptz` (microseconds since
                  ///< 1970-01-01, UTC): int64_t.
  SLUICE_FLOAT,   ///< `float`: float.
  SLUICE_DOUBLE,  ///< `double`: double.
  SLUICE_DECIMAL, ///< `decimal(p,s)`, times ten to the s: sluice_decimal.
  SLUICE_TEXT,    ///< `string` in UTF-8: sluice_text.
  SLUICE_BINARY,  ///< `binary`: sluice_text.
} sluice_kind;

typedef __int128 sluice_decimal;

/// The column's type, such as `string` or `decimal(10,2)`.
const char *sluice_type_of(sluice_column column);
/// What the values of a type are in C.
sluice_kind sluice_kind_of(const char *data_type);

/// A column's values, copied out of the host, in Arrow's layout.
typedef struct {
  sluice_kind kind;
  /// For `boolean` the rows of whole bytes.
  size_t rows;
  /// One bit a row; NULL if every row has a value.
  const uint8_t *validity;
  /// Of texts: one `int32_t` more than rows.
  const uint8_t *offsets;
  const uint8_t *values;
  size_t values_size;
} sluice_values;

/// Copies a column's values out of the host. A constant has one row.
sluice_values sluice_read(sluice_column column);

_Noreturn void sluice_wrong_read(const sluice_values *values, sluice_kind kind, size_t row);

/// Whether there is no value.
static inline bool sluice_null_at(const sluice_values *values, size_t row) {
  return values->validity != NULL && !(values->validity[row / 8] >> (row % 8) & 1);
}

#define SLUICE_FIXED_VALUE(name, type, expected)                                                                       \
  static inline type name(const sluice_values *values, size_t row) {                                                   \
    if (values->kind != expected || row >= values->rows) sluice_wrong_read(values, expected, row);                     \
    type value;                                                                                                        \
    memcpy(&value, values->values + row * sizeof(value), sizeof(value));                                               \
    return value;                                                                                                      \
  }

// A row's value, of no meaning where there is none. They end the call for columns of another kind and for rows that
// there are not.
SLUICE_FIXED_VALUE(sluice_int_at, int32_t, SLUICE_INT)
SLUICE_FIXED_VALUE(sluice_long_at, int64_t, SLUICE_LONG)
SLUICE_FIXED_VALUE(sluice_float_at, float, SLUICE_FLOAT)
SLUICE_FIXED_VALUE(sluice_double_at, double, SLUICE_DOUBLE)
SLUICE_FIXED_VALUE(sluice_decimal_at, sluice_decimal, SLUICE_DECIMAL)

static inline bool sluice_boolean_at(const sluice_values *values, size_t row) {
  if (values->kind != SLUICE_BOOLEAN || row >= values->rows) sluice_wrong_read(values, SLUICE_BOOLEAN, row);
  return values->values[row / 8] >> (row % 8) & 1;
}

/// A text's or bytes' value; NULL for null.
static inline sluice_text sluice_text_at(const sluice_values *values, size_t row) {
  if (values->kind < SLUICE_TEXT || row >= values->rows) sluice_wrong_read(values, SLUICE_TEXT, row);
  sluice_text text = {NULL, 0};
  if (sluice_null_at(values, row)) return text;
  int32_t from, to;
  memcpy(&from, values->offsets + row * 4, 4);
  memcpy(&to, values->offsets + row * 4 + 4, 4);
  text.data = (const char *)values->values + from;
  text.size = (size_t)(to - from);
  return text;
}

/// Writes a new column, row by row.
typedef struct {
  sluice_kind kind;
  const char *data_type;
  size_t rows;
  size_t expected_rows;
  uint8_t *validity;
  size_t validity_capacity;
  uint8_t *offsets;
  size_t offsets_capacity;
  uint8_t *values;
  size_t size;
  size_t capacity;
} sluice_writer;

/// With room for so many rows, and for texts so many bytes in all; it grows if they do not suffice.
sluice_writer sluice_writer_new(const char *data_type, size_t rows, size_t bytes);
/// A column of what was written. The writer is used up.
sluice_column sluice_writer_finish(sluice_writer *writer);

/// A `memcpy` that is quick for a few bytes, where a call to the engine would cost more than the copy.
static inline void sluice_copy(void *to, const void *from, size_t size) {
  uint8_t *target = (uint8_t *)to;
  const uint8_t *source = (const uint8_t *)from;
  if (size > 32) {
    memcpy(target, source, size);
  } else if (size >= 8) {
    // Pieces of 8 bytes, the last one so that it ends where the bytes end.
    uint64_t first, second, third, last;
    memcpy(&first, source, 8);
    memcpy(&last, source + size - 8, 8);
    if (size > 16) {
      memcpy(&second, source + 8, 8);
      memcpy(&third, source + size - 16, 8);
      memcpy(target + 8, &second, 8);
      memcpy(target + size - 16, &third, 8);
    }
    memcpy(target, &first, 8);
    memcpy(target + size - 8, &last, 8);
  } else if (size >= 4) {
    uint32_t first, last;
    memcpy(&first, source, 4);
    memcpy(&last, source + size - 4, 4);
    memcpy(target, &first, 4);
    memcpy(target + size - 4, &last, 4);
  } else if (size > 0) {
    uint8_t first = source[0], middle = source[size / 2], last = source[size - 1];
    target[0] = first;
    target[size / 2] = middle;
    target[size - 1] = last;
  }
}

_Noreturn void sluice_wrong_write(const sluice_writer *writer, sluice_kind kind);
void sluice_writer_grow(sluice_writer *writer, size_t more);
void sluice_writer_grow_offsets(sluice_writer *writer);
/// Notes whether the row at hand has a value, in bits that there are only once a row has none.
void sluice_writer_note_validity(sluice_writer *writer, bool valid);

static inline void sluice_writer_end_row(sluice_writer *writer, bool valid) {
  if (!valid || writer->validity != NULL) sluice_writer_note_validity(writer, valid);
  writer->rows++;
  if (writer->kind < SLUICE_TEXT) return;
  if (writer->offsets_capacity < (writer->rows + 1) * 4) sluice_writer_grow_offsets(writer);
  int32_t end = (int32_t)writer->size;
  memcpy(writer->offsets + writer->rows * 4, &end, 4);
}

static inline void sluice_write_fixed(sluice_writer *writer, sluice_kind kind, const void *value, size_t size) {
  if (writer->kind != kind) sluice_wrong_write(writer, kind);
  if (writer->capacity - writer->size < size) sluice_writer_grow(writer, size);
  memcpy(writer->values + writer->size, value, size);
  writer->size += size;
  sluice_writer_end_row(writer, true);
}

#define SLUICE_WRITE_FIXED(name, type, kind)                                                                           \
  static inline void name(sluice_writer *writer, type value) {                                                         \
    sluice_write_fixed(writer, kind, &value, sizeof(value));                                                           \
  }

// A row with a value. They end the call for columns of another kind.
SLUICE_WRITE_FIXED(sluice_write_int, int32_t, SLUICE_INT)
SLUICE_WRITE_FIXED(sluice_write_long, int64_t, SLUICE_LONG)
SLUICE_WRITE_FIXED(sluice_write_float, float, SLUICE_FLOAT)
SLUICE_WRITE_FIXED(sluice_write_double, double, SLUICE_DOUBLE)
SLUICE_WRITE_FIXED(sluice_write_decimal, sluice_decimal, SLUICE_DECIMAL)
void sluice_write_boolean(sluice_writer *writer, bool value);

/// A row without a value.
void sluice_write_null(sluice_writer *writer);

/// Adds to the text that `sluice_write_end` ends.
static inline void sluice_write_part(sluice_writer *writer, const void *data, size_t size) {
  if (writer->kind < SLUICE_TEXT) sluice_wrong_write(writer, SLUICE_TEXT);
  if (writer->capacity - writer->size < size) sluice_writer_grow(writer, size);
  sluice_copy(writer->values + writer->size, data, size);
  writer->size += size;
}

/// Ends a row whose text was written part by part.
static inline void sluice_write_end(sluice_writer *writer) { sluice_writer_end_row(writer, true); }

/// A row with a text or bytes; NULL for null.
static inline void sluice_write_text(sluice_writer *writer, sluice_text value) {
  if (value.data == NULL) {
    sluice_write_null(writer);
  } else {
    sluice_write_part(writer, value.data, value.size);
    sluice_write_end(writer);
  }
}

/// Makes a column of bytes in Arrow's layout. The host checks them and ends the call if they are no column of this
/// type.
sluice_column sluice_make(const char *data_type, size_t rows, sluice_text validity, sluice_text offsets,
                          sluice_text values);
/// A constant, which goes with any number of rows: `value` as a cast from `string` reads it, NULL for null.
sluice_column sluice_constant(const char *data_type, const char *value);

// ---- The row API: slower than columns, and shorter to write ---------------------------------------------------------

typedef struct sluice_row sluice_row;
typedef bool sluice_shape(sluice_row *row, void *context);

/// Calls `shape` with each row; what it sets is the output. A row for which it fails is rejected with the message.
/// Columns that are read and written keep their value unless it is set; those that are only written are null until they
/// are set.
bool sluice_map_rows(const sluice_batch *batch, sluice_output *output, sluice_shape *shape, void *context);
/// The same, but the output are the rows that `shape` emits, which may be none or several for a row.
bool sluice_fan_out_rows(const sluice_batch *batch, sluice_output *output, sluice_shape *shape, void *context);

// A value of a column that the plan reads; false for null. They end the call for a column of another kind.
bool sluice_row_boolean(const sluice_row *row, const char *name, bool *value);
bool sluice_row_int(const sluice_row *row, const char *name, int32_t *value);
/// Also of an `int`.
bool sluice_row_long(const sluice_row *row, const char *name, int64_t *value);
bool sluice_row_float(const sluice_row *row, const char *name, float *value);
/// Also of an `int` or `float`.
bool sluice_row_double(const sluice_row *row, const char *name, double *value);
bool sluice_row_decimal(const sluice_row *row, const char *name, sluice_decimal *value);
/// A text or bytes; NULL for null.
sluice_text sluice_row_text(const sluice_row *row, const char *name);
bool sluice_row_is_null(const sluice_row *row, const char *name);

/// What the row does: `L`, `I`, `U` or `D`.
char sluice_row_op(const sluice_row *row);
/// The row's number in the table's log.
int64_t sluice_row_ordinal(const sluice_row *row);
/// When the row was committed at the source; false if it does not say.
bool sluice_row_time(const sluice_row *row, int64_t *value);

// Sets a column that the plan writes. They end the call for a column of another kind.
void sluice_row_set_null(sluice_row *row, const char *name);
void sluice_row_set_boolean(sluice_row *row, const char *name, bool value);
void sluice_row_set_int(sluice_row *row, const char *name, int32_t value);
void sluice_row_set_long(sluice_row *row, const char *name, int64_t value);
void sluice_row_set_float(sluice_row *row, const char *name, float value);
void sluice_row_set_double(sluice_row *row, const char *name, double value);
void sluice_row_set_decimal(sluice_row *row, const char *name, sluice_decimal value);
/// A text or bytes, which are copied; NULL for null.
void sluice_row_set_text(sluice_row *row, const char *name, sluice_text value);

/// Sets the row's op.
void sluice_row_set_op(sluice_row *row, char op);
/// Drops the row, and its key's row in Silver.
void sluice_row_drop(sluice_row *row);
/// Rejects the row: it goes to the dead letters with this reason.
void sluice_row_reject(sluice_row *row, const char *format, ...) SLUICE_FORMAT(2, 3);
/// With `sluice_fan_out_rows`: returns a row as it is now set.
void sluice_row_emit(sluice_row *row);

// ---- Kernels: functions over whole columns, run by the host at native speed -----------------------------------------
//
// A null argument gives null unless a kernel says otherwise, and so does a value that cannot be computed. Arguments of
// a wrong type, or of different numbers of rows, end the call. Constants go with any number of rows.

/// The `length` of a `sluice_substring` that goes to the end.
#define SLUICE_TO_END UINT32_MAX

// Text.
/// Lower case, by Unicode's simple rules.
sluice_column sluice_lower(sluice_column text);
/// Upper case, by Unicode's simple rules.
sluice_column sluice_upper(sluice_column text);
/// Without white space at both ends.
sluice_column sluice_trim(sluice_column text);
/// The number of characters (of a `string`) or bytes (of a `binary`), as `int`.
sluice_column sluice_length(sluice_column of);
/// Characters from `start` (0 is the first; a negative number counts from the end) on, at most
/// `length` of them; all to the end with `SLUICE_TO_END`.
sluice_column sluice_substring(sluice_column text, int32_t start, uint32_t length);
/// The part number `index` (0 is the first) between separators; null where there are fewer.
/// `sluice_split_part(email, "@", 0)` is the local part of an address.
sluice_column sluice_split_part(sluice_column text, const char *separator, uint32_t index);
/// Every occurrence of `search` replaced.
sluice_column sluice_replace(sluice_column text, const char *search, const char *replacement);
/// Fills up at the beginning with `fill`'s first character until there are `length` characters.
sluice_column sluice_pad_start(sluice_column text, uint32_t length, const char *fill);
/// The texts one behind the other, with `separator` between them; null if any is null.
sluice_column sluice_concat(const sluice_column *parts, size_t count, const char *separator);
/// Whether the text begins with `prefix`.
sluice_column sluice_starts_with(sluice_column text, const char *prefix);
/// Whether the text ends with `suffix`.
sluice_column sluice_ends_with(sluice_column text, const char *suffix);
/// Whether the text holds `search`.
sluice_column sluice_contains(sluice_column text, const char *search);
/// Whether the regular expression matches anywhere in the text. The syntax is that of Rust's
/// `regex`: no look-around and no back-references, so that the time is linear in the text.
sluice_column sluice_regex_matches(sluice_column text, const char *pattern);
/// What group number `group` (0 is the whole match) of the first match holds; null without a match.
sluice_column sluice_regex_extract(sluice_column text, const char *pattern, uint32_t group);
/// Every match replaced; `$1` or `${name}` in `replacement` stand for groups.
sluice_column sluice_regex_replace(sluice_column text, const char *pattern, const char *replacement);
/// What a JSON text holds at `path`, such as `address.city` or `items[0].sku`: texts without their
/// quotes, null for JSON's null, a missing place or a text that is no JSON, everything else as JSON
/// text.
sluice_column sluice_json_field(sluice_column text, const char *path);
// Pseudonyms.
/// HMAC-SHA-256 of a `string` or `binary`, as `binary` of 32 bytes.
sluice_column sluice_hmac(sluice_column of, const void *key, size_t key_size);
/// SHA-256 of a `string` or `binary`, as `binary` of 32 bytes. Without a key, so whoever can guess
/// a value can check the guess: for pseudonyms use `hmac`.
sluice_column sluice_sha256(sluice_column of);
/// SipHash-2-4 of a `string` or `binary` with a key of 16 bytes, as `long`. Quick, and for joins
/// and buckets rather than for secrecy: 64 bits are few.
sluice_column sluice_keyed_hash(sluice_column of, const void *key, size_t key_size);
/// Every character replaced by `fill`'s first, but for `keep-start` at the beginning and `keep-end`
/// at the end; a text of no more characters than these two together is replaced whole.
sluice_column sluice_mask(sluice_column text, uint32_t keep_start, uint32_t keep_end, const char *fill);
/// `binary` as hexadecimal digits in lower case.
sluice_column sluice_hex(sluice_column of);
/// `binary` as Base64 (RFC 4648, with padding).
sluice_column sluice_base64(sluice_column of);
// Types.
/// The column in another type; null where a value has no place in it. Text is written and read as
/// in the tables' CSV: `2024-02-29`, `13:45:00.123456`, `2024-02-29 13:45:00.123456`, `true`,
/// `-12.50`. `string` and `binary` cast to each other by their bytes.
sluice_column sluice_cast(sluice_column of, const char *data_type);
// Numbers.
// Both sides are brought to one type first: int < long < decimal < float < double. Decimals give the exact scale
// (the larger one for sums, the sum of both for products, six more digits than the dividend's for quotients), at
// most 38 digits in all.
/// The sum.
sluice_column sluice_add(sluice_column left, sluice_column right);
/// The difference.
sluice_column sluice_subtract(sluice_column left, sluice_column right);
/// The product.
sluice_column sluice_multiply(sluice_column left, sluice_column right);
/// The quotient; of integers the integral part.
sluice_column sluice_divide(sluice_column left, sluice_column right);
/// What is left of an integral division, with the sign of `left`.
sluice_column sluice_remainder(sluice_column left, sluice_column right);
/// Rounded to `digits` after the point, halves away from zero; the type stays, but a decimal's
/// scale becomes `digits` (at least 0) where it was larger.
sluice_column sluice_round(sluice_column of, int32_t digits);
/// The value without its sign.
sluice_column sluice_abs(sluice_column of);
// Conditions: `boolean`.
// Both sides are brought to one type, as above; text compares by its bytes.
/// Whether both are equal.
sluice_column sluice_equal(sluice_column left, sluice_column right);
/// Whether they differ.
sluice_column sluice_not_equal(sluice_column left, sluice_column right);
/// Whether `left` is smaller.
sluice_column sluice_less(sluice_column left, sluice_column right);
/// Whether `left` is smaller or equal.
sluice_column sluice_less_or_equal(sluice_column left, sluice_column right);
/// Whether `left` is larger.
sluice_column sluice_greater(sluice_column left, sluice_column right);
/// Whether `left` is larger or equal.
sluice_column sluice_greater_or_equal(sluice_column left, sluice_column right);
/// Whether the value is one of `values`, each read as a cast from `string` reads it.
sluice_column sluice_is_in(sluice_column of, const char *const *values, size_t count);
/// Whether there is no value. Never null.
sluice_column sluice_is_null(sluice_column of);
/// Both; false with one false side even if the other is null.
sluice_column sluice_both(sluice_column left, sluice_column right);
/// At least one; true with one true side even if the other is null.
sluice_column sluice_either(sluice_column left, sluice_column right);
/// The opposite.
sluice_column sluice_negate(sluice_column of);
// Choice.
/// The first value that is not null.
sluice_column sluice_coalesce(const sluice_column *choices, size_t count);
/// `then` where the condition is true, `otherwise` where it is false or null. Both of one type.
sluice_column sluice_choose(sluice_column condition, sluice_column then, sluice_column otherwise);
/// The rows where the condition is true.
sluice_column sluice_filter(sluice_column of, sluice_column condition);
/// Rows by their numbers (`int`, 0 is the first), in this order, repeated if wanted; null for null.
sluice_column sluice_take(sluice_column of, sluice_column rows);

#ifdef __cplusplus
}
#endif

#endif
