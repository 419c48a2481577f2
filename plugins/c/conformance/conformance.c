// Does what its settings say, so that the host's tests can see whether this SDK keeps the contract.
#include "conformance.h"

typedef enum { COLUMNS, ROWS, CALL, OUTCOME, FAN_OUT, LOG, ERROR, PANIC, UNKNOWN } conformance_mode;

static const char *const mode_names[] = {"columns", "rows", "call", "outcome", "fan-out", "log", "error", "panic"};

static conformance_mode mode;
static const sluice_setup *table;
static int64_t count;

/// Under which name a column is written.
static const char *out_name(const char *name) { return sluice_format("out_%s", name); }

bool sluice_configure(const sluice_setup *setup, sluice_plan *plan) {
  sluice_setting settings = sluice_settings(setup);
  const char *name = sluice_setting_string(sluice_setting_field(settings, "mode"));
  if (name == NULL) return sluice_fail("`mode` is not a text");
  mode = COLUMNS;
  while (mode < UNKNOWN && strcmp(mode_names[mode], name) != 0) mode++;
  sluice_setup *kept = sluice_allocate(sizeof(*kept));
  *kept = *setup;
  table = kept;
  switch (mode) {
  case COLUMNS:
  case ROWS:
    for (size_t at = 0; at < setup->column_count; at++) {
      sluice_plan_read(plan, setup->columns[at].name);
      sluice_plan_write(plan, out_name(setup->columns[at].name), setup->columns[at].data_type);
    }
    return true;
  case CALL:
    return configure_call(settings, plan);
  case OUTCOME:
    sluice_plan_read(plan, "id");
    sluice_plan_write(plan, "out", "string");
    sluice_plan_deletes(plan);
    return true;
  case FAN_OUT:
    sluice_plan_read(plan, "id");
    sluice_plan_write(plan, "n", "int");
    sluice_plan_required(plan);
    sluice_plan_key(plan, "id");
    sluice_plan_key(plan, "n");
    sluice_plan_deletes(plan);
    sluice_plan_fan_out(plan);
    return sluice_setting_long(sluice_setting_field(settings, "times"), &count) || sluice_fail("`times` is missing");
  case LOG:
    sluice_plan_write(plan, "out", "string");
    return sluice_setting_long(sluice_setting_field(settings, "lines"), &count) || sluice_fail("`lines` is missing");
  case ERROR:
  case PANIC:
    sluice_plan_write(plan, "out", "string");
    return true;
  case UNKNOWN:
    break;
  }
  return sluice_fail("unknown mode %s", name);
}

/// Decodes a column to values and encodes them again.
static sluice_column made_anew(sluice_column column, size_t rows) {
  sluice_values values = sluice_read(column);
  sluice_writer writer = sluice_writer_new(sluice_type_of(column), rows, values.values_size);
  for (size_t row = 0; row < rows; row++) {
    if (sluice_null_at(&values, row)) {
      sluice_write_null(&writer);
      continue;
    }
    switch (values.kind) {
    case SLUICE_BOOLEAN:
      sluice_write_boolean(&writer, sluice_boolean_at(&values, row));
      break;
    case SLUICE_INT:
      sluice_write_int(&writer, sluice_int_at(&values, row));
      break;
    case SLUICE_LONG:
      sluice_write_long(&writer, sluice_long_at(&values, row));
      break;
    case SLUICE_FLOAT:
      sluice_write_float(&writer, sluice_float_at(&values, row));
      break;
    case SLUICE_DOUBLE:
      sluice_write_double(&writer, sluice_double_at(&values, row));
      break;
    case SLUICE_DECIMAL:
      sluice_write_decimal(&writer, sluice_decimal_at(&values, row));
      break;
    case SLUICE_TEXT:
    case SLUICE_BINARY:
      sluice_write_text(&writer, sluice_text_at(&values, row));
      break;
    }
  }
  return sluice_writer_finish(&writer);
}

/// Copies a row's value to the column under its other name.
static void copy_value(sluice_row *row, const sluice_input_column *column) {
  const char *name = column->name, *out = out_name(name);
  union {
    bool boolean;
    int32_t integer;
    int64_t longer;
    float single;
    double twice;
    sluice_decimal decimal;
  } value;
  switch (sluice_kind_of(column->data_type)) {
  case SLUICE_BOOLEAN:
    if (sluice_row_boolean(row, name, &value.boolean)) sluice_row_set_boolean(row, out, value.boolean);
    break;
  case SLUICE_INT:
    if (sluice_row_int(row, name, &value.integer)) sluice_row_set_int(row, out, value.integer);
    break;
  case SLUICE_LONG:
    if (sluice_row_long(row, name, &value.longer)) sluice_row_set_long(row, out, value.longer);
    break;
  case SLUICE_FLOAT:
    if (sluice_row_float(row, name, &value.single)) sluice_row_set_float(row, out, value.single);
    break;
  case SLUICE_DOUBLE:
    if (sluice_row_double(row, name, &value.twice)) sluice_row_set_double(row, out, value.twice);
    break;
  case SLUICE_DECIMAL:
    if (sluice_row_decimal(row, name, &value.decimal)) sluice_row_set_decimal(row, out, value.decimal);
    break;
  case SLUICE_TEXT:
  case SLUICE_BINARY:
    sluice_row_set_text(row, out, sluice_row_text(row, name));
    break;
  }
}

static bool copy_row(sluice_row *row, void *context) {
  (void)context;
  for (size_t at = 0; at < table->column_count; at++) copy_value(row, &table->columns[at]);
  return true;
}

static bool judge_row(sluice_row *row, void *context) {
  (void)context;
  int64_t id;
  if (!sluice_row_long(row, "id", &id)) return sluice_fail("id is null");
  int64_t rest = (id % 5 + 5) % 5;
  if (rest == 3) {
    sluice_row_reject(row, "id %lld is refused", (long long)id);
  } else if (rest == 4) {
    sluice_row_drop(row);
  } else {
    char *text = sluice_format("%lld", (long long)id);
    sluice_row_set_text(row, "out", sluice_text_of(text));
  }
  return true;
}

static bool fan_out_row(sluice_row *row, void *context) {
  (void)context;
  for (int32_t number = 0; number < count; number++) {
    sluice_row_set_int(row, "n", number);
    sluice_row_emit(row);
  }
  return true;
}

bool sluice_transform(const sluice_batch *batch, sluice_output *output) {
  switch (mode) {
  case COLUMNS:
    for (size_t at = 0; at < table->column_count; at++) {
      sluice_column column = made_anew(batch->columns[at], batch->rows);
      sluice_output_write(output, out_name(table->columns[at].name), column);
    }
    return true;
  case ROWS:
    return sluice_map_rows(batch, output, copy_row, NULL);
  case CALL:
    return call_kernel(batch, output);
  case OUTCOME:
    return sluice_map_rows(batch, output, judge_row, NULL);
  case FAN_OUT:
    return sluice_fan_out_rows(batch, output, fan_out_row, NULL);
  case LOG:
    for (int64_t line = 0; line < count; line++) {
      sluice_log(SLUICE_INFO, "line %lld", (long long)line);
      sluice_metric("lines", 1.0);
    }
    sluice_output_write(output, "out", sluice_constant("string", "logged"));
    return true;
  case ERROR:
    return sluice_fail("asked to fail");
  case PANIC:
  case UNKNOWN:
    break;
  }
  sluice_panic("asked to crash");
}
