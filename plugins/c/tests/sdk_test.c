// Tests of the SDK itself: what is written reads the same, rows become what a function says, and settings are found.
#include "sluice_test.h"

#include <stdio.h>
#include <stdlib.h>

static void expect(bool holds, const char *what, int line) {
  if (holds) return;
  fprintf(stderr, "sdk_test.c:%d: not so: %s\n", line, what);
  exit(1);
}

#define EXPECT(condition) expect(condition, #condition, __LINE__)

bool sluice_configure(const sluice_setup *setup, sluice_plan *plan) {
  (void)setup;
  sluice_plan_read(plan, "id");
  sluice_plan_read(plan, "name");
  sluice_plan_write(plan, "name", "string");
  sluice_plan_write(plan, "out", "long");
  return true;
}

static bool shape(sluice_row *row, void *context) {
  bool is_fan_out = *(bool *)context;
  int64_t id;
  sluice_row_long(row, "id", &id);
  if (is_fan_out) {
    for (int64_t number = 0; number < id; number++) {
      sluice_row_set_long(row, "out", number);
      sluice_row_emit(row);
    }
  } else if (id == 1) {
    sluice_row_drop(row);
  } else if (id == 2) {
    sluice_row_reject(row, "id %lld", (long long)id);
  } else if (id == 3) {
    return sluice_fail("failed");
  } else if (id == 4) {
    char local[] = "set";
    sluice_row_set_text(row, "name", sluice_text_of(local));
    sluice_row_set_long(row, "out", sluice_row_ordinal(row));
    memset(local, 'x', sizeof(local));
  }
  return true;
}

static bool is_fan_out;

bool sluice_transform(const sluice_batch *batch, sluice_output *output) {
  return (is_fan_out ? sluice_fan_out_rows : sluice_map_rows)(batch, output, shape, &is_fan_out);
}

static void what_is_written_reads_the_same(void) {
  static const char letters[] = "some letters, more than what is copied by pieces of a few bytes each";
  for (size_t first_null = 0; first_null < 20; first_null++) {
    sluice_writer texts = sluice_writer_new("string", 1, 0), flags = sluice_writer_new("boolean", 1, 0);
    sluice_writer decimals = sluice_writer_new("decimal(38,3)", 1, 0);
    for (size_t row = 0; row < 64; row++) {
      bool is_null = row >= first_null && (row - first_null) % 3 == 0;
      sluice_write_text(&texts, (sluice_text){is_null ? NULL : letters, row});
      if (is_null) {
        sluice_write_null(&flags);
        sluice_write_null(&decimals);
      } else {
        sluice_write_boolean(&flags, row % 2 == 0);
        sluice_write_decimal(&decimals, -(sluice_decimal)row * INT64_MAX);
      }
    }
    sluice_values read_texts = sluice_read(sluice_writer_finish(&texts));
    sluice_values read_flags = sluice_read(sluice_writer_finish(&flags));
    sluice_values read_decimals = sluice_read(sluice_writer_finish(&decimals));
    EXPECT(read_texts.rows == 64 && read_flags.rows == 64 && read_decimals.rows == 64);
    for (size_t row = 0; row < 64; row++) {
      bool is_null = row >= first_null && (row - first_null) % 3 == 0;
      sluice_text text = sluice_text_at(&read_texts, row);
      EXPECT(sluice_null_at(&read_flags, row) == is_null && sluice_null_at(&read_decimals, row) == is_null);
      EXPECT((text.data == NULL) == is_null);
      if (is_null) continue;
      EXPECT(text.size == row && memcmp(text.data, letters, row) == 0);
      EXPECT(sluice_boolean_at(&read_flags, row) == (row % 2 == 0));
      EXPECT(sluice_decimal_at(&read_decimals, row) == -(sluice_decimal)row * INT64_MAX);
    }
  }
}

static void rows_become_what_a_function_says(void) {
  static const int64_t ids[] = {1, 2, 3, 4, 5};
  static const char *const names[] = {"a", "b", "c", NULL, "e"};
  is_fan_out = false;
  sluice_test_begin("{}");
  sluice_test_longs("id", ids, 5);
  sluice_test_texts("name", names, 5);
  EXPECT(sluice_test_run());
  EXPECT(!sluice_test_kept(0) && sluice_test_kept(1) && sluice_test_kept(4));
  EXPECT(sluice_test_reason(0) == NULL && strcmp(sluice_test_reason(1), "id 2") == 0);
  EXPECT(strcmp(sluice_test_reason(2), "failed") == 0 && sluice_test_reason(4) == NULL);
  EXPECT(strcmp(sluice_test_text_at("name", 3), "set") == 0 && strcmp(sluice_test_text_at("name", 4), "e") == 0);
  sluice_values out = sluice_read(sluice_test_written("out"));
  EXPECT(sluice_long_at(&out, 3) == 3 && sluice_null_at(&out, 4));
}

static void a_row_may_become_none_or_several(void) {
  static const int64_t ids[] = {2, 0, 1};
  static const char *const names[] = {"a", "b", "c"};
  is_fan_out = true;
  sluice_test_begin("{}");
  sluice_test_longs("id", ids, 3);
  sluice_test_texts("name", names, 3);
  EXPECT(sluice_test_run());
  sluice_values out = sluice_read(sluice_test_written("out"));
  EXPECT(out.rows == 3 && sluice_long_at(&out, 1) == 1 && sluice_long_at(&out, 2) == 0);
  EXPECT(strcmp(sluice_test_text_at("name", 1), "a") == 0 && strcmp(sluice_test_text_at("name", 2), "c") == 0);
}

static sluice_setting parse(const char *json) {
  sluice_setup setup = {.settings = json};
  return sluice_settings(&setup);
}

static void settings_are_found(void) {
  sluice_setting settings = parse(" {\"a\" : \"x\\\"}\\n\\u00e9\\ud83d\\ude00\", \"b\":[1, -2.5e1 ,[3],{}], \"c\":null,"
                                  "\"d\":{\"e\":true}} ");
  EXPECT(strcmp(sluice_setting_string(sluice_setting_field(settings, "a")), "x\"}\n\u00e9\U0001f600") == 0);
  EXPECT(sluice_setting_field(settings, "c").size == 0 && sluice_setting_field(settings, "x").size == 0);
  sluice_setting list = sluice_setting_field(settings, "b"), item;
  int64_t whole;
  double number;
  bool flag;
  EXPECT(sluice_setting_next(&list, &item) && sluice_setting_long(item, &whole) && whole == 1);
  EXPECT(sluice_setting_next(&list, &item) && !sluice_setting_long(item, &whole));
  EXPECT(sluice_setting_double(item, &number) && number == -25);
  EXPECT(sluice_setting_next(&list, &item) && sluice_text_is(item, "[3]"));
  EXPECT(sluice_setting_next(&list, &item) && !sluice_setting_next(&list, &item));
  sluice_setting inner = sluice_setting_field(settings, "d");
  EXPECT(sluice_setting_boolean(sluice_setting_field(inner, "e"), &flag) && flag);
  EXPECT(sluice_setting_long(parse("-9223372036854775808"), &whole) && whole == INT64_MIN);
  EXPECT(!sluice_setting_long(parse("9223372036854775808"), &whole));
  EXPECT(sluice_setting_string(parse("1")) == NULL && !sluice_setting_boolean(parse("1"), &flag));
  list = parse("[]");
  EXPECT(!sluice_setting_next(&list, &item));
}

/// Settings come well-formed, yet none may lead beyond their end.
static void no_text_is_read_beyond_its_end(void) {
  static const char json[] = "{\"a\": [\"\\u00e9\", {\"b\": -1.5e+3}, true], \"c\": \"\\\"\"}";
  for (size_t size = 0; size < sizeof(json); size++) {
    char *cut = malloc(size + 1);
    memcpy(cut, json, size);
    cut[size] = '\0';
    sluice_setting settings = parse(cut), list = sluice_setting_field(settings, "a"), item;
    double number;
    while (sluice_setting_next(&list, &item)) {
      sluice_setting_string(item);
      sluice_setting_double(sluice_setting_field(item, "b"), &number);
    }
    sluice_setting_string(sluice_setting_field(settings, "c"));
    free(cut);
  }
}

static void messages_are_formatted(void) {
  char *text = sluice_format("%s|%.*s|%c|%d|%u|%x|%zu|%lld|%llu|%%", "a", 2, "bcd", 'e', -1, 2u, 255u, (size_t)3,
                             (long long)INT64_MIN, 18446744073709551615ull);
  EXPECT(strcmp(text, "a|bc|e|-1|2|ff|3|-9223372036854775808|18446744073709551615|%") == 0);
}

int main(void) {
  what_is_written_reads_the_same();
  rows_become_what_a_function_says();
  a_row_may_become_none_or_several();
  settings_are_found();
  no_text_is_read_beyond_its_end();
  messages_are_formatted();
  puts("all tests passed");
}
