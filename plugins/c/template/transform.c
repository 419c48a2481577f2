// Trims a column's texts and makes them lower case. Edit `sluice_transform`, and say in `sluice_configure` what it
// reads and writes.
#include "sluice.h"

static const char *column;

bool sluice_configure(const sluice_setup *setup, sluice_plan *plan) {
  column = sluice_setting_string(sluice_setting_field(sluice_settings(setup), "column"));
  if (column == NULL) return sluice_fail("the setting `column` is missing");
  sluice_plan_read(plan, column);
  sluice_plan_write(plan, column, "string");
  return true;
}

bool sluice_transform(const sluice_batch *batch, sluice_output *output) {
  sluice_column cleaned = sluice_lower(sluice_trim(sluice_batch_column(batch, column)));
  sluice_output_write(output, column, cleaned);
  return true;
}
