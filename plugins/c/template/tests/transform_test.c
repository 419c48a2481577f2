#include "sluice_test.h"

#include <assert.h>

int main(void) {
  static const char *const emails[] = {" Ada@Example.com ", NULL};
  sluice_test_begin("{\"column\": \"email\"}");
  sluice_test_texts("email", emails, 2);
  assert(sluice_test_run());
  assert(strcmp(sluice_test_computed("email"), "lower(trim(email))") == 0);

  sluice_test_begin("{}");
  assert(!sluice_test_run());
  assert(strcmp(sluice_test_error(), "the setting `column` is missing") == 0);
}
