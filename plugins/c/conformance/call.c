// Calls a kernel by its name in the contract.
#include "conformance.h"

#define MOST 8

/// An argument as the settings give it.
typedef struct {
  /// `column`, `columns`, `text`, `texts`, `number`, `bytes` or `none`.
  const char *kind;
  sluice_setting value;
} argument;

static const char *kernel;
static argument arguments[MOST];
static size_t argument_count;
static sluice_setting source_rows;

/// The name of a column, if this is none of the constants.
static const char *column_name(sluice_setting source) {
  const char *name = sluice_setting_string(source);
  return name != NULL ? name : sluice_setting_string(sluice_setting_field(source, "column"));
}

static void read_column(sluice_setting source, sluice_plan *plan) {
  const char *name = column_name(source);
  if (name != NULL) sluice_plan_read(plan, name);
}

static bool configure_argument(sluice_setting setting, sluice_plan *plan) {
  static const char *const kinds[] = {"column", "constant", "columns", "text", "texts", "number", "bytes", "none"};
  if (argument_count == MOST) return sluice_fail("more than %d arguments", MOST);
  for (size_t at = 0; at < sizeof(kinds) / sizeof(*kinds); at++) {
    sluice_setting value = sluice_setting_field(setting, kinds[at]);
    if (value.size == 0) continue;
    bool is_column = at < 2;
    arguments[argument_count++] = (argument){is_column ? "column" : kinds[at], is_column ? setting : value};
    if (is_column) read_column(setting, plan);
    if (strcmp(kinds[at], "columns") != 0) return true;
    sluice_setting source;
    while (sluice_setting_next(&value, &source)) read_column(source, plan);
    return true;
  }
  return sluice_fail("unknown argument %.*s", (int)setting.size, setting.data);
}

bool configure_call(sluice_setting settings, sluice_plan *plan) {
  sluice_setting call = sluice_setting_field(settings, "call"), item;
  kernel = sluice_setting_next(&call, &item) ? sluice_setting_string(item) : NULL;
  if (kernel == NULL) return sluice_fail("`call` does not begin with a kernel's name");
  argument_count = 0;
  while (sluice_setting_next(&call, &item)) {
    if (!configure_argument(item, plan)) return false;
  }
  source_rows = sluice_setting_field(settings, "sources");
  read_column(source_rows, plan);
  const char *data_type = sluice_setting_string(sluice_setting_field(settings, "type"));
  if (data_type == NULL) return sluice_fail("`type` is not a text");
  sluice_plan_write(plan, "out", data_type);
  return true;
}

static const argument *argument_at(size_t index, const char *kind) {
  if (index >= argument_count || strcmp(arguments[index].kind, kind) != 0) {
    sluice_panic("argument %zu of %s is not of kind %s", index, kernel, kind);
  }
  return &arguments[index];
}

static sluice_column column_of(const sluice_batch *batch, sluice_setting source) {
  const char *name = column_name(source);
  if (name != NULL) return sluice_batch_column(batch, name);
  sluice_setting constant = sluice_setting_field(source, "constant"), data_type, value;
  if (!sluice_setting_next(&constant, &data_type) || !sluice_setting_next(&constant, &value)) {
    sluice_panic("neither a column nor a constant of a type and a value");
  }
  return sluice_constant(sluice_setting_string(data_type), sluice_setting_string(value));
}

static sluice_column column(const sluice_batch *batch, size_t index) {
  return column_of(batch, argument_at(index, "column")->value);
}

static size_t columns(const sluice_batch *batch, sluice_column *into) {
  sluice_setting list = argument_at(0, "columns")->value, source;
  size_t count = 0;
  while (count < MOST && sluice_setting_next(&list, &source)) into[count++] = column_of(batch, source);
  return count;
}

static const char *text(size_t index) { return sluice_setting_string(argument_at(index, "text")->value); }

static size_t texts(const char **into) {
  sluice_setting list = argument_at(1, "texts")->value, item;
  size_t count = 0;
  while (count < MOST && sluice_setting_next(&list, &item)) into[count++] = sluice_setting_string(item);
  return count;
}

static int64_t number(size_t index) {
  int64_t value;
  if (!sluice_setting_long(argument_at(index, "number")->value, &value))
    sluice_panic("argument %zu is no number", index);
  return value;
}

static unsigned digit(char letter) { return (unsigned)(letter <= '9' ? letter - '0' : (letter | 32) - 'a' + 10); }

static sluice_text bytes(size_t index) {
  const char *digits = sluice_setting_string(argument_at(index, "bytes")->value);
  size_t size = strlen(digits) / 2;
  char *data = sluice_allocate(size);
  for (size_t at = 0; at < size; at++) data[at] = (char)(digit(digits[2 * at]) << 4 | digit(digits[2 * at + 1]));
  return (sluice_text){data, size};
}

static bool is(const char *name) { return strcmp(kernel, name) == 0; }

/// Kernels of one column.
static bool call_unary(const sluice_batch *batch, sluice_column *result) {
  static const struct {
    const char *name;
    sluice_column (*call)(sluice_column);
  } kernels[] = {
      {"lower", sluice_lower},     {"upper", sluice_upper},   {"trim", sluice_trim}, {"length", sluice_length},
      {"sha256", sluice_sha256},   {"hex", sluice_hex},       {"abs", sluice_abs},   {"base64", sluice_base64},
      {"is-null", sluice_is_null}, {"negate", sluice_negate},
  };
  for (size_t at = 0; at < sizeof(kernels) / sizeof(*kernels); at++) {
    if (!is(kernels[at].name)) continue;
    *result = kernels[at].call(column(batch, 0));
    return true;
  }
  return false;
}

/// Kernels of two columns.
static bool call_binary(const sluice_batch *batch, sluice_column *result) {
  static const struct {
    const char *name;
    sluice_column (*call)(sluice_column, sluice_column);
  } kernels[] = {
      {"add", sluice_add},
      {"subtract", sluice_subtract},
      {"multiply", sluice_multiply},
      {"divide", sluice_divide},
      {"remainder", sluice_remainder},
      {"equal", sluice_equal},
      {"not-equal", sluice_not_equal},
      {"less", sluice_less},
      {"less-or-equal", sluice_less_or_equal},
      {"greater", sluice_greater},
      {"greater-or-equal", sluice_greater_or_equal},
      {"both", sluice_both},
      {"either", sluice_either},
      {"filter", sluice_filter},
      {"take", sluice_take},
  };
  for (size_t at = 0; at < sizeof(kernels) / sizeof(*kernels); at++) {
    if (!is(kernels[at].name)) continue;
    *result = kernels[at].call(column(batch, 0), column(batch, 1));
    return true;
  }
  return false;
}

/// Kernels of a column and a text.
static bool call_with_text(const sluice_batch *batch, sluice_column *result) {
  static const struct {
    const char *name;
    sluice_column (*call)(sluice_column, const char *);
  } kernels[] = {
      {"starts-with", sluice_starts_with},     {"ends-with", sluice_ends_with},   {"contains", sluice_contains},
      {"regex-matches", sluice_regex_matches}, {"json-field", sluice_json_field}, {"cast", sluice_cast},
  };
  for (size_t at = 0; at < sizeof(kernels) / sizeof(*kernels); at++) {
    if (!is(kernels[at].name)) continue;
    *result = kernels[at].call(column(batch, 0), text(1));
    return true;
  }
  return false;
}

/// All others.
static bool call_other(const sluice_batch *batch, sluice_column *result) {
  sluice_column parts[MOST];
  const char *strings[MOST];
  if (is("concat")) {
    size_t count = columns(batch, parts);
    *result = sluice_concat(parts, count, text(1));
  } else if (is("coalesce")) {
    *result = sluice_coalesce(parts, columns(batch, parts));
  } else if (is("choose")) {
    *result = sluice_choose(column(batch, 0), column(batch, 1), column(batch, 2));
  } else if (is("is-in")) {
    *result = sluice_is_in(column(batch, 0), strings, texts(strings));
  } else if (is("substring")) {
    bool to_end = argument_count < 3 || strcmp(arguments[2].kind, "none") == 0;
    uint32_t length = to_end ? SLUICE_TO_END : (uint32_t)number(2);
    *result = sluice_substring(column(batch, 0), (int32_t)number(1), length);
  } else if (is("split-part")) {
    *result = sluice_split_part(column(batch, 0), text(1), (uint32_t)number(2));
  } else if (is("replace")) {
    *result = sluice_replace(column(batch, 0), text(1), text(2));
  } else if (is("pad-start")) {
    *result = sluice_pad_start(column(batch, 0), (uint32_t)number(1), text(2));
  } else if (is("regex-extract")) {
    *result = sluice_regex_extract(column(batch, 0), text(1), (uint32_t)number(2));
  } else if (is("regex-replace")) {
    *result = sluice_regex_replace(column(batch, 0), text(1), text(2));
  } else if (is("mask")) {
    *result = sluice_mask(column(batch, 0), (uint32_t)number(1), (uint32_t)number(2), text(3));
  } else if (is("round")) {
    *result = sluice_round(column(batch, 0), (int32_t)number(1));
  } else if (is("hmac") || is("keyed-hash")) {
    sluice_text key = bytes(1);
    *result = is("hmac") ? sluice_hmac(column(batch, 0), key.data, key.size)
                         : sluice_keyed_hash(column(batch, 0), key.data, key.size);
  } else {
    return sluice_fail("unknown kernel %s", kernel);
  }
  return true;
}

bool call_kernel(const sluice_batch *batch, sluice_output *output) {
  sluice_column result;
  bool is_called = call_unary(batch, &result) || call_binary(batch, &result) || call_with_text(batch, &result) ||
                   call_other(batch, &result);
  if (!is_called) return false;
  sluice_output_write(output, "out", result);
  if (source_rows.size > 0) sluice_output_source_rows(output, column_of(batch, source_rows));
  return true;
}
