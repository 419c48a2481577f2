#include "sluice_test.h"

#include <stdio.h>
#include <stdlib.h>

static void expect(bool holds, const char *what, int line) {
  if (holds) return;
  fprintf(stderr, "reject_test.c:%d: not so: %s\n", line, what);
  exit(1);
}

static void expect_text(const char *found, const char *wanted, int line) {
  if (found != NULL && strcmp(found, wanted) == 0) return;
  fprintf(stderr, "reject_test.c:%d: expected %s, found %s\n", line, wanted, found == NULL ? "nothing" : found);
  exit(1);
}

#define EXPECT(condition) expect(condition, #condition, __LINE__)
#define EXPECT_TEXT(found, wanted) expect_text(found, wanted, __LINE__)

static void numbers_have_bounds(void) {
  static const int64_t amounts[] = {-1, 0, 10, 11};
  sluice_test_begin("{\"rules\": [{\"column\": \"amount\", \"min\": 0, \"max\": 1.0e1}]}");
  sluice_test_longs("amount", amounts, 4);
  EXPECT(sluice_test_run());
  EXPECT_TEXT(sluice_test_reason(0), "amount is too small");
  EXPECT(sluice_test_reason(1) == NULL);
  EXPECT(sluice_test_reason(2) == NULL);
  EXPECT_TEXT(sluice_test_reason(3), "amount is too large");
}

static void decimals_are_compared_by_their_value(void) {
  sluice_writer writer = sluice_writer_new("decimal(10,2)", 2, 0);
  sluice_write_decimal(&writer, 999);
  sluice_write_decimal(&writer, 1001);
  sluice_test_begin("{\"rules\": [{\"column\": \"price\", \"max\": 10}]}");
  sluice_test_column("price", sluice_writer_finish(&writer), 2);
  EXPECT(sluice_test_run());
  EXPECT(sluice_test_reason(0) == NULL);
  EXPECT_TEXT(sluice_test_reason(1), "price is too large");
}

static void texts_are_missing_or_not_among_their_values(void) {
  static const char *const countries[] = {"GB", NULL, "Łódź", ""};
  sluice_test_begin("{\"rules\": [{\"column\": \"country\", \"required\": true, \"one-of\": [\"GB\", \"\\u0050L\"]}]}");
  sluice_test_texts("country", countries, 4);
  EXPECT(sluice_test_run());
  EXPECT(sluice_test_reason(0) == NULL);
  EXPECT_TEXT(sluice_test_reason(1), "country is missing");
  EXPECT_TEXT(sluice_test_reason(2), "country is Łódź, which is none of its values");
  EXPECT_TEXT(sluice_test_reason(3), "country is , which is none of its values");
}

static void expressions_are_left_to_the_host(void) {
  static const char *const codes[] = {"A1"};
  sluice_test_begin("{\"rules\": [{\"column\": \"code\", \"matches\": \"^[A-Z]\"}]}");
  sluice_test_texts("code", codes, 1);
  EXPECT(sluice_test_run());
  EXPECT_TEXT(sluice_test_computed_reasons(),
              "choose(negate(regex_matches(code, \"^[A-Z]\")), constant(\"string\", \"code does not match ^[A-Z]\"), "
              "constant(\"string\", none))");
}

static void wrong_rules_are_named(void) {
  static const char *const codes[] = {"A1"};
  static const char *const settings[][2] = {
      {"{}", "the setting `rules` is not a list with a rule"},
      {"{\"rules\": [{}]}", "a rule's `column` is missing"},
      {"{\"rules\": [{\"column\": \"cod\"}]}", "the table has no column cod"},
      {"{\"rules\": [{\"column\": \"code\", \"min\": 1}]}",
       "column code is string, and `min` and `max` are for numbers"},
      {"{\"rules\": [{\"column\": \"code\", \"max\": \"1\"}]}", "the rule's `max` is not a number"},
  };
  for (size_t at = 0; at < sizeof(settings) / sizeof(*settings); at++) {
    sluice_test_begin(settings[at][0]);
    sluice_test_texts("code", codes, 1);
    EXPECT(!sluice_test_run());
    EXPECT_TEXT(sluice_test_error(), settings[at][1]);
  }
}

int main(void) {
  numbers_have_bounds();
  decimals_are_compared_by_their_value();
  texts_are_missing_or_not_among_their_values();
  expressions_are_left_to_the_host();
  wrong_rules_are_named();
  puts("all tests passed");
}
