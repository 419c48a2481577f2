// What the benchmarks measure: the same work in every language, see `benches/benches/transforms.rs`.

#include "sluice.h"

bool sluice_configure(const sluice_setup *setup, sluice_plan *plan) {
  const char *mode = sluice_setting_string(sluice_setting_field(sluice_settings(setup), "mode"));
  if (mode == NULL || strcmp(mode, "bytes") != 0) return sluice_fail("unknown mode %s", mode == NULL ? "" : mode);
  sluice_plan_read(plan, "email");
  sluice_plan_write(plan, "email", "string");
  return true;
}

/// FNV-1a of the local part, 32 bits as hexadecimal digits, in its place.
bool sluice_transform(const sluice_batch *batch, sluice_output *output) {
  sluice_values addresses = sluice_read(sluice_batch_column(batch, "email"));
  sluice_writer writer = sluice_writer_new("string", batch->rows, addresses.values_size + 8 * batch->rows);
  char hidden[512];
  for (size_t row = 0; row < batch->rows; row++) {
    sluice_text address = sluice_text_at(&addresses, row);
    if (address.data == NULL) {
      sluice_write_null(&writer);
      continue;
    }
    uint32_t hash = 0x811c9dc5u;
    size_t at = 0;
    while (at < address.size && address.data[at] != '@') hash = (hash ^ (uint8_t)address.data[at++]) * 0x01000193u;
    for (int digit = 0; digit < 8; digit++) hidden[digit] = "0123456789abcdef"[hash >> (28 - 4 * digit) & 15];
    size_t rest = address.size - at;
    if (rest > sizeof(hidden) - 8) return sluice_fail("row %zu has a domain of %zu bytes", row, rest);
    sluice_copy(hidden + 8, address.data + at, rest);
    sluice_text whole = {hidden, 8 + rest};
    sluice_write_text(&writer, whole);
  }
  sluice_output_write(output, "email", sluice_writer_finish(&writer));
  return true;
}
