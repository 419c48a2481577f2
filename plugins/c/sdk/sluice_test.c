/*
 * What stands in for sluice in tests on your machine. See `sluice_test.h`.
 */
#include "sluice_test.h"

#include "sluice.c"

#include <stdio.h>

// ---- Columns --------------------------------------------------------------------------------------------------------

/// A column that was made, or what a kernel was called with.
typedef struct {
  const char *data_type;
  sluice_buffers buffers;
  /// What it is called in calls of kernels; only this is there for what is computed.
  const char *shown;
} held;

static held *columns;
static size_t column_count;
static size_t column_capacity;

static uint32_t hold(held column) {
  columns = with_room(columns, column_count, &column_capacity, sizeof(*columns));
  columns[column_count] = column;
  return (uint32_t)column_count++;
}

static sluice_list copy_of(const void *data, size_t size) { return (sluice_list){string_of(data, size), size}; }

static const char *shown(uint32_t handle) { return columns[handle].shown; }

static const char *shown_columns(const sluice_column *parts, size_t count) {
  const char *all = "";
  for (size_t at = 0; at < count; at++) all = sluice_format("%s%s%s", all, at ? ", " : "", shown(parts[at].handle));
  return all;
}

static const char *shown_lists(const sluice_list *texts, size_t count) {
  const char *all = "";
  for (size_t at = 0; at < count; at++) {
    all = sluice_format("%s%s\"%.*s\"", all, at ? ", " : "", (int)texts[at].size, (const char *)texts[at].data);
  }
  return all;
}

SLUICE_FORMAT(1, 2) static uint32_t computed(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  message call = format_message(format, arguments);
  va_end(arguments);
  put(&call, "", 1);
  return hold((held){.shown = call.data});
}

static const held *readable(uint32_t handle) {
  const held *column = &columns[handle];
  if (column->data_type == NULL || column->buffers.values.data == NULL) {
    sluice_panic("%s is computed by the host: try it with `sluice plugin test`", column->shown);
  }
  return column;
}

void sluice_import_type_of(uint32_t of, sluice_list *result) {
  const char *data_type = readable(of)->data_type;
  *result = copy_of(data_type, strlen(data_type));
}

void sluice_import_read(uint32_t of, sluice_buffers *result) { *result = readable(of)->buffers; }

uint32_t sluice_import_make(const char *data_type, size_t data_type_size, uint32_t rows, const void *validity,
                            size_t validity_size, const void *offsets, size_t offsets_size, const void *values,
                            size_t values_size) {
  (void)rows;
  held column = {.data_type = string_of(data_type, data_type_size)};
  column.buffers.validity = copy_of(validity, validity_size);
  column.buffers.offsets = copy_of(offsets, offsets_size);
  column.buffers.values = copy_of(values, values_size);
  column.shown = sluice_format("make(\"%s\")", column.data_type);
  return hold(column);
}

uint32_t sluice_import_constant(const char *data_type, size_t data_type_size, uint32_t has_value, const char *value,
                                size_t value_size) {
  held column = {.data_type = string_of(data_type, data_type_size)};
  column.shown = has_value ? sluice_format("constant(\"%s\", \"%.*s\")", column.data_type, (int)value_size, value)
                           : sluice_format("constant(\"%s\", none)", column.data_type);
  return hold(column);
}

void sluice_import_log(uint32_t level, const char *message, size_t message_size) {
  static const char *const levels[] = {"debug", "info", "warn", "error"};
  fprintf(stderr, "%s: %.*s\n", levels[level], (int)message_size, message);
}

void sluice_import_metric(const char *name, size_t name_size, double add) {
  fprintf(stderr, "metric %.*s: %+g\n", (int)name_size, name, add);
}

// ---- The run --------------------------------------------------------------------------------------------------------

static sluice_input_column *inputs;
static sluice_column *input_columns;
static size_t input_count;
static size_t input_capacity;
static size_t row_count;
static const char *test_settings;
static const char *test_ops;
static sluice_output test_output;

void sluice_test_begin(const char *settings) {
  input_count = row_count = 0;
  test_settings = settings;
  test_ops = "";
}

void sluice_test_column(const char *name, sluice_column column, size_t rows) {
  size_t capacity = input_capacity;
  inputs = with_room(inputs, input_count, &capacity, sizeof(*inputs));
  input_columns = with_room(input_columns, input_count, &input_capacity, sizeof(*input_columns));
  columns[column.handle].shown = name;
  inputs[input_count] = (sluice_input_column){name, columns[column.handle].data_type, true, false};
  input_columns[input_count++] = column;
  row_count = rows;
}

void sluice_test_texts(const char *name, const char *const *values, size_t rows) {
  sluice_writer writer = sluice_writer_new("string", rows, 0);
  for (size_t row = 0; row < rows; row++) {
    if (values[row] == NULL) {
      sluice_write_null(&writer);
    } else {
      sluice_write_text(&writer, sluice_text_of(values[row]));
    }
  }
  sluice_test_column(name, sluice_writer_finish(&writer), rows);
}

void sluice_test_longs(const char *name, const int64_t *values, size_t rows) {
  sluice_writer writer = sluice_writer_new("long", rows, 0);
  for (size_t row = 0; row < rows; row++) sluice_write_long(&writer, values[row]);
  sluice_test_column(name, sluice_writer_finish(&writer), rows);
}

void sluice_test_key(void) {
  inputs[input_count - 1].key = true;
  inputs[input_count - 1].nullable = false;
}

void sluice_test_ops(const char *ops) { test_ops = ops; }

/// What each row has besides its columns.
static sluice_batch context_of_rows(void) {
  sluice_writer ops = sluice_writer_new("string", row_count, row_count);
  sluice_writer ordinals = sluice_writer_new("long", row_count, 0);
  sluice_writer times = sluice_writer_new("timestamptz", row_count, 0);
  size_t given = strlen(test_ops);
  for (size_t row = 0; row < row_count; row++) {
    sluice_write_text(&ops, (sluice_text){row < given ? test_ops + row : "I", 1});
    sluice_write_long(&ordinals, (int64_t)row);
    sluice_write_null(&times);
  }
  sluice_batch batch = {.rows = row_count};
  batch.ops = sluice_writer_finish(&ops);
  batch.ordinals = sluice_writer_finish(&ordinals);
  batch.times = sluice_writer_finish(&times);
  return batch;
}

bool sluice_test_run(void) {
  static const char seed[] = "0000000000000000000000000000000000000000000000000000000000000000";
  sluice_setup setup = {"public.sample", test_settings, seed, inputs, input_count};
  memset(&plan_of_batch, 0, sizeof(plan_of_batch));
  failure = (message){NULL, 0, 0};
  if (!sluice_configure(&setup, &plan_of_batch)) return false;
  const names *reads = &plan_of_batch.reads;
  size_t write_count = plan_of_batch.write_names.count;
  sluice_column *read = sluice_allocate(reads->count * sizeof(*read));
  for (size_t at = 0; at < reads->count; at++) {
    size_t column = 0;
    while (column < input_count && strcmp(inputs[column].name, reads->items[at].data) != 0) column++;
    if (column == input_count)
      return sluice_fail("the plan reads %s, which is no column", (char *)reads->items[at].data);
    read[at] = input_columns[column];
  }
  sluice_batch batch = context_of_rows();
  batch.columns = read;
  batch.column_count = reads->count;
  memset(&test_output, 0, sizeof(test_output));
  test_output.columns = allocate_zeroed(write_count * sizeof(*test_output.columns));
  test_output.written = allocate_zeroed(write_count);
  if (!sluice_transform(&batch, &test_output)) return false;
  for (size_t at = 0; at < write_count; at++) {
    const char *name = plan_of_batch.write_names.items[at].data;
    if (!test_output.written[at]) return sluice_fail("column %s was not written, but the plan writes it", name);
  }
  return true;
}

const char *sluice_test_error(void) { return string_of(failure.data, failure.size); }

sluice_column sluice_test_written(const char *name) {
  return (sluice_column){test_output.columns[written_index(name)]};
}

/// A text, ended by a NUL; NULL for null.
static const char *text_in(uint32_t handle, size_t row) {
  sluice_values values = sluice_read((sluice_column){handle});
  sluice_text text = sluice_text_at(&values, row);
  return text.data == NULL ? NULL : string_of(text.data, text.size);
}

const char *sluice_test_text_at(const char *name, size_t row) { return text_in(sluice_test_written(name).handle, row); }

const char *sluice_test_computed(const char *name) { return shown(sluice_test_written(name).handle); }

const char *sluice_test_reason(size_t row) {
  return test_output.rejected.is_some ? text_in(test_output.rejected.column, row) : NULL;
}

const char *sluice_test_computed_reasons(void) {
  return test_output.rejected.is_some ? shown(test_output.rejected.column) : NULL;
}

bool sluice_test_kept(size_t row) {
  if (!test_output.keep.is_some) return true;
  sluice_values keep = sluice_read((sluice_column){test_output.keep.column});
  return !sluice_null_at(&keep, row) && sluice_boolean_at(&keep, row);
}

// ---- Kernels --------------------------------------------------------------------------------------------------------

uint32_t sluice_import_lower(uint32_t text) { return computed("lower(%s)", shown(text)); }

uint32_t sluice_import_upper(uint32_t text) { return computed("upper(%s)", shown(text)); }

uint32_t sluice_import_trim(uint32_t text) { return computed("trim(%s)", shown(text)); }

uint32_t sluice_import_length(uint32_t of) { return computed("length(%s)", shown(of)); }

uint32_t sluice_import_substring(uint32_t text, int32_t start, uint32_t has_length, uint32_t length) {
  return computed("substring(%s, %d, %s)", shown(text), start, has_length ? sluice_format("%u", length) : "none");
}

uint32_t sluice_import_split_part(uint32_t text, const char *separator, size_t separator_size, uint32_t index) {
  return computed("split_part(%s, \"%.*s\", %u)", shown(text), (int)separator_size, separator, index);
}

uint32_t sluice_import_replace(uint32_t text, const char *search, size_t search_size, const char *replacement,
                               size_t replacement_size) {
  return computed("replace(%s, \"%.*s\", \"%.*s\")", shown(text), (int)search_size, search, (int)replacement_size,
                  replacement);
}

uint32_t sluice_import_pad_start(uint32_t text, uint32_t length, const char *fill, size_t fill_size) {
  return computed("pad_start(%s, %u, \"%.*s\")", shown(text), length, (int)fill_size, fill);
}

uint32_t sluice_import_concat(const sluice_column *parts, size_t count, const char *separator, size_t separator_size) {
  return computed("concat([%s], \"%.*s\")", shown_columns(parts, count), (int)separator_size, separator);
}

uint32_t sluice_import_starts_with(uint32_t text, const char *prefix, size_t prefix_size) {
  return computed("starts_with(%s, \"%.*s\")", shown(text), (int)prefix_size, prefix);
}

uint32_t sluice_import_ends_with(uint32_t text, const char *suffix, size_t suffix_size) {
  return computed("ends_with(%s, \"%.*s\")", shown(text), (int)suffix_size, suffix);
}

uint32_t sluice_import_contains(uint32_t text, const char *search, size_t search_size) {
  return computed("contains(%s, \"%.*s\")", shown(text), (int)search_size, search);
}

uint32_t sluice_import_regex_matches(uint32_t text, const char *pattern, size_t pattern_size) {
  return computed("regex_matches(%s, \"%.*s\")", shown(text), (int)pattern_size, pattern);
}

uint32_t sluice_import_regex_extract(uint32_t text, const char *pattern, size_t pattern_size, uint32_t group) {
  return computed("regex_extract(%s, \"%.*s\", %u)", shown(text), (int)pattern_size, pattern, group);
}

uint32_t sluice_import_regex_replace(uint32_t text, const char *pattern, size_t pattern_size, const char *replacement,
                                     size_t replacement_size) {
  return computed("regex_replace(%s, \"%.*s\", \"%.*s\")", shown(text), (int)pattern_size, pattern,
                  (int)replacement_size, replacement);
}

uint32_t sluice_import_json_field(uint32_t text, const char *path, size_t path_size) {
  return computed("json_field(%s, \"%.*s\")", shown(text), (int)path_size, path);
}

uint32_t sluice_import_hmac(uint32_t of, const void *key, size_t key_size) {
  (void)key;
  return computed("hmac(%s, %zu bytes)", shown(of), key_size);
}

uint32_t sluice_import_sha256(uint32_t of) { return computed("sha256(%s)", shown(of)); }

uint32_t sluice_import_keyed_hash(uint32_t of, const void *key, size_t key_size) {
  (void)key;
  return computed("keyed_hash(%s, %zu bytes)", shown(of), key_size);
}

uint32_t sluice_import_mask(uint32_t text, uint32_t keep_start, uint32_t keep_end, const char *fill, size_t fill_size) {
  return computed("mask(%s, %u, %u, \"%.*s\")", shown(text), keep_start, keep_end, (int)fill_size, fill);
}

uint32_t sluice_import_hex(uint32_t of) { return computed("hex(%s)", shown(of)); }

uint32_t sluice_import_base64(uint32_t of) { return computed("base64(%s)", shown(of)); }

uint32_t sluice_import_cast(uint32_t of, const char *data_type, size_t data_type_size) {
  return computed("cast(%s, \"%.*s\")", shown(of), (int)data_type_size, data_type);
}

uint32_t sluice_import_add(uint32_t left, uint32_t right) { return computed("add(%s, %s)", shown(left), shown(right)); }

uint32_t sluice_import_subtract(uint32_t left, uint32_t right) {
  return computed("subtract(%s, %s)", shown(left), shown(right));
}

uint32_t sluice_import_multiply(uint32_t left, uint32_t right) {
  return computed("multiply(%s, %s)", shown(left), shown(right));
}

uint32_t sluice_import_divide(uint32_t left, uint32_t right) {
  return computed("divide(%s, %s)", shown(left), shown(right));
}

uint32_t sluice_import_remainder(uint32_t left, uint32_t right) {
  return computed("remainder(%s, %s)", shown(left), shown(right));
}

uint32_t sluice_import_round(uint32_t of, int32_t digits) { return computed("round(%s, %d)", shown(of), digits); }

uint32_t sluice_import_abs(uint32_t of) { return computed("abs(%s)", shown(of)); }

uint32_t sluice_import_equal(uint32_t left, uint32_t right) {
  return computed("equal(%s, %s)", shown(left), shown(right));
}

uint32_t sluice_import_not_equal(uint32_t left, uint32_t right) {
  return computed("not_equal(%s, %s)", shown(left), shown(right));
}

uint32_t sluice_import_less(uint32_t left, uint32_t right) {
  return computed("less(%s, %s)", shown(left), shown(right));
}

uint32_t sluice_import_less_or_equal(uint32_t left, uint32_t right) {
  return computed("less_or_equal(%s, %s)", shown(left), shown(right));
}

uint32_t sluice_import_greater(uint32_t left, uint32_t right) {
  return computed("greater(%s, %s)", shown(left), shown(right));
}

uint32_t sluice_import_greater_or_equal(uint32_t left, uint32_t right) {
  return computed("greater_or_equal(%s, %s)", shown(left), shown(right));
}

uint32_t sluice_import_is_in(uint32_t of, const sluice_list *values, size_t count) {
  return computed("is_in(%s, [%s])", shown(of), shown_lists(values, count));
}

uint32_t sluice_import_is_null(uint32_t of) { return computed("is_null(%s)", shown(of)); }

uint32_t sluice_import_both(uint32_t left, uint32_t right) {
  return computed("both(%s, %s)", shown(left), shown(right));
}

uint32_t sluice_import_either(uint32_t left, uint32_t right) {
  return computed("either(%s, %s)", shown(left), shown(right));
}

uint32_t sluice_import_negate(uint32_t of) { return computed("negate(%s)", shown(of)); }

uint32_t sluice_import_coalesce(const sluice_column *choices, size_t count) {
  return computed("coalesce([%s])", shown_columns(choices, count));
}

uint32_t sluice_import_choose(uint32_t condition, uint32_t then, uint32_t otherwise) {
  return computed("choose(%s, %s, %s)", shown(condition), shown(then), shown(otherwise));
}

uint32_t sluice_import_filter(uint32_t of, uint32_t condition) {
  return computed("filter(%s, %s)", shown(of), shown(condition));
}

uint32_t sluice_import_take(uint32_t of, uint32_t rows) { return computed("take(%s, %s)", shown(of), shown(rows)); }
