// Rejects rows that break a rule, each with the rule as its reason. The first rule that a row breaks counts.
//
//   [[settings.rules]]
//   column = "amount"
//   required = true          # null is rejected; the other rules let null pass
//   min = 0                  # numbers only, as is max
//   max = 10000
//
//   [[settings.rules]]
//   column = "country"
//   one-of = ["GB", "PL"]    # texts only
//   matches = "^[A-Z]+$"     # texts only: a regular expression, which the host looks for
#include "sluice.h"

typedef struct {
  const char *column;
  bool is_required;
  bool has_min;
  bool has_max;
  double min;
  double max;
  /// A list of texts; of size 0 if there is none.
  const char **one_of;
  size_t one_of_count;
  /// NULL if there is none.
  const char *matches;
} rule;

static rule *rules;
static size_t rule_count;

static bool is_text(const char *data_type) { return strcmp(data_type, "string") == 0; }

static bool is_number(const char *data_type) {
  static const char *const numbers[] = {"int", "long", "float", "double", "decimal"};
  size_t size = strcspn(data_type, "(");
  for (size_t at = 0; at < sizeof(numbers) / sizeof(*numbers); at++) {
    if (strlen(numbers[at]) == size && strncmp(numbers[at], data_type, size) == 0) return true;
  }
  return false;
}

static const sluice_input_column *find_column(const sluice_setup *setup, const char *name) {
  for (size_t at = 0; at < setup->column_count; at++) {
    if (strcmp(setup->columns[at].name, name) == 0) return &setup->columns[at];
  }
  return NULL;
}

/// Reads a bound, if there is one.
static bool read_bound(sluice_setting setting, const char *name, bool *is_there, double *bound) {
  sluice_setting value = sluice_setting_field(setting, name);
  *is_there = value.size > 0;
  return !*is_there || sluice_setting_double(value, bound) || sluice_fail("the rule's `%s` is not a number", name);
}

static bool read_one_of(sluice_setting setting, rule *into) {
  sluice_setting list = sluice_setting_field(setting, "one-of"), rest = list, item;
  size_t count = 0;
  while (sluice_setting_next(&rest, &item)) count++;
  into->one_of = sluice_allocate(count * sizeof(*into->one_of));
  while (sluice_setting_next(&list, &item)) {
    const char *text = sluice_setting_string(item);
    if (text == NULL) return sluice_fail("the rule's `one-of` for %s is not a list of texts", into->column);
    into->one_of[into->one_of_count++] = text;
  }
  return true;
}

static bool read_rule(const sluice_setup *setup, sluice_setting setting, rule *into) {
  *into = (rule){.column = sluice_setting_string(sluice_setting_field(setting, "column"))};
  if (into->column == NULL) return sluice_fail("a rule's `column` is missing");
  const sluice_input_column *column = find_column(setup, into->column);
  if (column == NULL) return sluice_fail("the table has no column %s", into->column);
  sluice_setting required = sluice_setting_field(setting, "required");
  if (required.size > 0 && !sluice_setting_boolean(required, &into->is_required)) {
    return sluice_fail("the rule's `required` for %s is neither true nor false", into->column);
  }
  if (!read_bound(setting, "min", &into->has_min, &into->min)) return false;
  if (!read_bound(setting, "max", &into->has_max, &into->max)) return false;
  if (!read_one_of(setting, into)) return false;
  into->matches = sluice_setting_string(sluice_setting_field(setting, "matches"));
  if ((into->has_min || into->has_max) && !is_number(column->data_type)) {
    return sluice_fail("column %s is %s, and `min` and `max` are for numbers", into->column, column->data_type);
  }
  if ((into->one_of_count > 0 || into->matches != NULL) && !is_text(column->data_type)) {
    return sluice_fail("column %s is %s, and `one-of` and `matches` are for texts", into->column, column->data_type);
  }
  return true;
}

bool sluice_configure(const sluice_setup *setup, sluice_plan *plan) {
  sluice_setting list = sluice_setting_field(sluice_settings(setup), "rules"), rest = list, item;
  rule_count = 0;
  while (sluice_setting_next(&rest, &item)) rule_count++;
  if (rule_count == 0) return sluice_fail("the setting `rules` is not a list with a rule");
  rules = sluice_allocate(rule_count * sizeof(*rules));
  for (size_t at = 0; sluice_setting_next(&list, &item); at++) {
    if (!read_rule(setup, item, &rules[at])) return false;
    sluice_plan_read(plan, rules[at].column);
  }
  return true;
}

/// What ten to the scale of `decimal(p,s)` is.
static double scale_of(const char *data_type) {
  const char *comma = strchr(data_type, ',');
  double scale = 1;
  int digits = 0;
  for (const char *at = comma; at != NULL && *at != '\0'; at++) {
    if (*at >= '0' && *at <= '9') digits = digits * 10 + (*at - '0');
  }
  while (digits-- > 0) scale *= 10;
  return scale;
}

static double number_at(const sluice_values *values, size_t row, double scale) {
  switch (values->kind) {
  case SLUICE_INT:
    return sluice_int_at(values, row);
  case SLUICE_LONG:
    return (double)sluice_long_at(values, row);
  case SLUICE_FLOAT:
    return sluice_float_at(values, row);
  case SLUICE_DOUBLE:
    return sluice_double_at(values, row);
  default:
    return (double)sluice_decimal_at(values, row) / scale;
  }
}

static bool is_one_of(sluice_text text, const rule *by) {
  for (size_t at = 0; at < by->one_of_count; at++) {
    if (sluice_text_is(text, by->one_of[at])) return true;
  }
  return false;
}

/// Why a row breaks a rule as far as its bytes tell; NULL if it does not.
static const char *reason_of(const rule *by, const sluice_values *values, double scale, size_t row) {
  if (sluice_null_at(values, row)) return by->is_required ? sluice_format("%s is missing", by->column) : NULL;
  if (by->has_min && number_at(values, row, scale) < by->min) return sluice_format("%s is too small", by->column);
  if (by->has_max && number_at(values, row, scale) > by->max) return sluice_format("%s is too large", by->column);
  if (by->one_of_count == 0) return NULL;
  sluice_text text = sluice_text_at(values, row);
  if (is_one_of(text, by)) return NULL;
  return sluice_format("%s is %.*s, which is none of its values", by->column, (int)text.size, text.data);
}

/// A column of the reasons for which rows break a rule, null where they do not.
static sluice_column reasons_of(const rule *by, const sluice_batch *batch) {
  sluice_column column = sluice_batch_column(batch, by->column);
  sluice_values values = sluice_read(column);
  double scale = scale_of(sluice_type_of(column));
  sluice_writer writer = sluice_writer_new("string", batch->rows, 0);
  for (size_t row = 0; row < batch->rows; row++) {
    const char *reason = reason_of(by, &values, scale, row);
    if (reason == NULL) {
      sluice_write_null(&writer);
    } else {
      sluice_write_text(&writer, sluice_text_of(reason));
    }
  }
  return sluice_writer_finish(&writer);
}

/// The same for a regular expression, which the host matches.
static sluice_column mismatches_of(const rule *by, const sluice_batch *batch) {
  sluice_column is_wrong = sluice_negate(sluice_regex_matches(sluice_batch_column(batch, by->column), by->matches));
  const char *reason = sluice_format("%s does not match %s", by->column, by->matches);
  return sluice_choose(is_wrong, sluice_constant("string", reason), sluice_constant("string", NULL));
}

bool sluice_transform(const sluice_batch *batch, sluice_output *output) {
  sluice_column *reasons = sluice_allocate(2 * rule_count * sizeof(*reasons));
  size_t count = 0;
  for (size_t at = 0; at < rule_count; at++) {
    const rule *by = &rules[at];
    if (by->is_required || by->has_min || by->has_max || by->one_of_count > 0) {
      reasons[count++] = reasons_of(by, batch);
    }
    if (by->matches != NULL) reasons[count++] = mismatches_of(by, batch);
  }
  if (count == 0) return true;
  sluice_output_rejected(output, count == 1 ? reasons[0] : sluice_coalesce(reasons, count));
  return true;
}
