/*
 * The C SDK of sluice: the canonical ABI by hand, and what makes it comfortable. See `sluice.h`.
 */
#include "sluice.h"

#include <stdarg.h>

// ---- The boundary -------------------------------------------------------------------------------------------------

// Outside WebAssembly, the functions that the host has come from `sluice_test.c`.
#ifdef __wasm__
#define IMPORT(interface, name)                                                                                        \
  __attribute__((import_module("sluice:transform/" interface "@1.0.0"), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))
#else
#define IMPORT(interface, name)
#define EXPORT(name)
#endif
#define KERNEL(name) IMPORT("kernels", name)

/// A text or a list, as the canonical ABI has it.
typedef struct {
  void *data;
  size_t size;
} sluice_list;

typedef struct {
  sluice_list validity;
  sluice_list offsets;
  sluice_list values;
} sluice_buffers;

// clang-format off
IMPORT("columns", "type-of") void sluice_import_type_of(uint32_t of, sluice_list *result);
IMPORT("columns", "read") void sluice_import_read(uint32_t of, sluice_buffers *result);
IMPORT("columns", "make") uint32_t sluice_import_make(const char *data_type, size_t data_type_size, uint32_t rows, const void *validity, size_t validity_size, const void *offsets, size_t offsets_size, const void *values, size_t values_size);
IMPORT("columns", "constant") uint32_t sluice_import_constant(const char *data_type, size_t data_type_size, uint32_t has_value, const char *value, size_t value_size);
IMPORT("diagnostics", "log") void sluice_import_log(uint32_t level, const char *message, size_t message_size);
IMPORT("diagnostics", "metric") void sluice_import_metric(const char *name, size_t name_size, double add);
KERNEL("lower") uint32_t sluice_import_lower(uint32_t text);
KERNEL("upper") uint32_t sluice_import_upper(uint32_t text);
KERNEL("trim") uint32_t sluice_import_trim(uint32_t text);
KERNEL("length") uint32_t sluice_import_length(uint32_t of);
KERNEL("substring") uint32_t sluice_import_substring(uint32_t text, int32_t start, uint32_t has_length, uint32_t length);
KERNEL("split-part") uint32_t sluice_import_split_part(uint32_t text, const char *separator, size_t separator_size, uint32_t index);
KERNEL("replace") uint32_t sluice_import_replace(uint32_t text, const char *search, size_t search_size, const char *replacement, size_t replacement_size);
KERNEL("pad-start") uint32_t sluice_import_pad_start(uint32_t text, uint32_t length, const char *fill, size_t fill_size);
KERNEL("concat") uint32_t sluice_import_concat(const sluice_column *parts, size_t count, const char *separator, size_t separator_size);
KERNEL("starts-with") uint32_t sluice_import_starts_with(uint32_t text, const char *prefix, size_t prefix_size);
KERNEL("ends-with") uint32_t sluice_import_ends_with(uint32_t text, const char *suffix, size_t suffix_size);
KERNEL("contains") uint32_t sluice_import_contains(uint32_t text, const char *search, size_t search_size);
KERNEL("regex-matches") uint32_t sluice_import_regex_matches(uint32_t text, const char *pattern, size_t pattern_size);
KERNEL("regex-extract") uint32_t sluice_import_regex_extract(uint32_t text, const char *pattern, size_t pattern_size, uint32_t group);
KERNEL("regex-replace") uint32_t sluice_import_regex_replace(uint32_t text, const char *pattern, size_t pattern_size, const char *replacement, size_t replacement_size);
KERNEL("json-field") uint32_t sluice_import_json_field(uint32_t text, const char *path, size_t path_size);
KERNEL("hmac") uint32_t sluice_import_hmac(uint32_t of, const void *key, size_t key_size);
KERNEL("sha256") uint32_t sluice_import_sha256(uint32_t of);
KERNEL("keyed-hash") uint32_t sluice_import_keyed_hash(uint32_t of, const void *key, size_t key_size);
KERNEL("mask") uint32_t sluice_import_mask(uint32_t text, uint32_t keep_start, uint32_t keep_end, const char *fill, size_t fill_size);
KERNEL("hex") uint32_t sluice_import_hex(uint32_t of);
KERNEL("base64") uint32_t sluice_import_base64(uint32_t of);
KERNEL("cast") uint32_t sluice_import_cast(uint32_t of, const char *data_type, size_t data_type_size);
KERNEL("add") uint32_t sluice_import_add(uint32_t left, uint32_t right);
KERNEL("subtract") uint32_t sluice_import_subtract(uint32_t left, uint32_t right);
KERNEL("multiply") uint32_t sluice_import_multiply(uint32_t left, uint32_t right);
KERNEL("divide") uint32_t sluice_import_divide(uint32_t left, uint32_t right);
KERNEL("remainder") uint32_t sluice_import_remainder(uint32_t left, uint32_t right);
KERNEL("round") uint32_t sluice_import_round(uint32_t of, int32_t digits);
KERNEL("abs") uint32_t sluice_import_abs(uint32_t of);
KERNEL("equal") uint32_t sluice_import_equal(uint32_t left, uint32_t right);
KERNEL("not-equal") uint32_t sluice_import_not_equal(uint32_t left, uint32_t right);
KERNEL("less") uint32_t sluice_import_less(uint32_t left, uint32_t right);
KERNEL("less-or-equal") uint32_t sluice_import_less_or_equal(uint32_t left, uint32_t right);
KERNEL("greater") uint32_t sluice_import_greater(uint32_t left, uint32_t right);
KERNEL("greater-or-equal") uint32_t sluice_import_greater_or_equal(uint32_t left, uint32_t right);
KERNEL("is-in") uint32_t sluice_import_is_in(uint32_t of, const sluice_list *values, size_t count);
KERNEL("is-null") uint32_t sluice_import_is_null(uint32_t of);
KERNEL("both") uint32_t sluice_import_both(uint32_t left, uint32_t right);
KERNEL("either") uint32_t sluice_import_either(uint32_t left, uint32_t right);
KERNEL("negate") uint32_t sluice_import_negate(uint32_t of);
KERNEL("coalesce") uint32_t sluice_import_coalesce(const sluice_column *choices, size_t count);
KERNEL("choose") uint32_t sluice_import_choose(uint32_t condition, uint32_t then, uint32_t otherwise);
KERNEL("filter") uint32_t sluice_import_filter(uint32_t of, uint32_t condition);
KERNEL("take") uint32_t sluice_import_take(uint32_t of, uint32_t rows);
// clang-format on

// ---- Memory ---------------------------------------------------------------------------------------------------------

#ifdef __wasm__
// An instance lives for one batch, so blocks come off the end of what is in use. Blocks that are freed are used again
// by powers of two, and the last block grows and shrinks in place. This is also what `malloc` is here.

/// What stands before each block: 16 bytes keep it aligned for everything.
typedef struct {
  size_t size;
  size_t unused[3];
} block_header;

#define PAGE 65536
/// Memory grows by so many pages if it may: each growth is a call to the operating system.
#define STEP 32
#define SMALL_CLASSES 9
#define SMALLEST 16

extern uint8_t __heap_base;

static uintptr_t next_free;
static uintptr_t end_of_memory;
static void *free_blocks[SMALL_CLASSES];

static block_header *header_of(void *block) { return (block_header *)block - 1; }

/// The class of a small block, or SMALL_CLASSES.
static unsigned class_of(size_t size) {
  unsigned class = 0;
  while (class < SMALL_CLASSES && ((size_t)SMALLEST << class) < size) class ++;
  return class;
}

static bool grow_to(uintptr_t end) {
  size_t needed = (end - end_of_memory + PAGE - 1) / PAGE;
  size_t pages = needed < STEP ? STEP : needed;
  if (__builtin_wasm_memory_grow(0, pages) == SIZE_MAX) {
    pages = needed;
    if (__builtin_wasm_memory_grow(0, pages) == SIZE_MAX) return false;
  }
  end_of_memory += pages * PAGE;
  return true;
}

/// Takes memory up to `end` into use.
static bool extend_to(uintptr_t end) {
  if (end < next_free || (end > end_of_memory && !grow_to(end))) return false;
  next_free = end;
  return true;
}

void *malloc(size_t size) {
  if (next_free == 0) {
    next_free = ((uintptr_t)&__heap_base + 15) & ~(uintptr_t)15;
    end_of_memory = __builtin_wasm_memory_size(0) * PAGE;
  }
  if (size > PTRDIFF_MAX) return NULL;
  unsigned class = class_of(size);
  if (class < SMALL_CLASSES) {
    size = (size_t)SMALLEST << class;
    void *block = free_blocks[class];
    if (block != NULL) {
      free_blocks[class] = *(void **)block;
      return block;
    }
  }
  size = (size + 15) & ~(size_t)15;
  block_header *header = (block_header *)next_free;
  if (!extend_to(next_free + sizeof(*header) + size)) return NULL;
  header->size = size;
  return header + 1;
}

void free(void *block) {
  if (block == NULL) return;
  size_t size = header_of(block)->size;
  unsigned class = class_of(size);
  if ((uintptr_t)block + size == next_free) {
    next_free = (uintptr_t)header_of(block);
  } else if (class < SMALL_CLASSES && size == (size_t)SMALLEST << class) {
    *(void **)block = free_blocks[class];
    free_blocks[class] = block;
  }
}

void *calloc(size_t count, size_t size) {
  size_t all;
  if (__builtin_mul_overflow(count, size, &all)) return NULL;
  void *block = malloc(all);
  return block == NULL ? NULL : memset(block, 0, all);
}

void *realloc(void *block, size_t size) {
  if (block == NULL) return malloc(size);
  block_header *header = header_of(block);
  if (size <= header->size) return block;
  size_t wanted = (size + 15) & ~(size_t)15;
  if ((uintptr_t)block + header->size == next_free && class_of(wanted) == SMALL_CLASSES) {
    if (!extend_to((uintptr_t)block + wanted)) return NULL;
    header->size = wanted;
    return block;
  }
  void *moved = malloc(size);
  if (moved == NULL) return NULL;
  memcpy(moved, block, header->size);
  free(block);
  return moved;
}

void *aligned_alloc(size_t align, size_t size) {
  if (align <= sizeof(block_header)) return malloc(size);
  if (size > PTRDIFF_MAX - align) return NULL;
  void *block = malloc(size + align);
  if (block == NULL) return NULL;
  uintptr_t end = (uintptr_t)block + header_of(block)->size;
  void *aligned = (void *)(((uintptr_t)block + align - 1) & ~(uintptr_t)(align - 1));
  // Both are multiples of 16, so there is room for the header of what is left.
  if (aligned != block) header_of(aligned)->size = end - (uintptr_t)aligned;
  return aligned;
}

int posix_memalign(void **block, size_t align, size_t size) {
  *block = aligned_alloc(align, size);
  return *block == NULL ? 12 : 0;
}

EXPORT("cabi_realloc") void *sluice_realloc(void *old, size_t old_size, size_t align, size_t new_size) {
  if (new_size == 0) return (void *)align;
  void *block = old_size == 0 ? malloc(new_size) : realloc(old, new_size);
  if (block == NULL) __builtin_trap();
  return block;
}
#else
#include <stdlib.h>
#endif

void *sluice_allocate(size_t size) {
  void *block = malloc(size == 0 ? 1 : size);
  // A message would need memory.
  if (block == NULL) __builtin_trap();
  return block;
}

static void *allocate_zeroed(size_t size) { return memset(sluice_allocate(size), 0, size); }

/// An array with room for one more item, which has moved if it was full.
static void *with_room(void *items, size_t count, size_t *capacity, size_t item_size) {
  if (count < *capacity) return items;
  *capacity = *capacity == 0 ? 8 : *capacity * 2;
  void *moved = realloc(items, *capacity * item_size);
  if (moved == NULL) __builtin_trap();
  return moved;
}

static char *string_of(const void *data, size_t size) {
  char *string = sluice_allocate(size + 1);
  if (size > 0) memcpy(string, data, size);
  string[size] = '\0';
  return string;
}

static sluice_list list_of(const char *string) {
  sluice_list list = {(void *)string, strlen(string)};
  return list;
}

// ---- Messages -------------------------------------------------------------------------------------------------------

/// A text that grows.
typedef struct {
  char *data;
  size_t size;
  size_t capacity;
} message;

static void put(message *into, const char *data, size_t size) {
  if (into->capacity - into->size < size) {
    into->capacity = (into->size + size) * 2;
    char *moved = realloc(into->data, into->capacity);
    if (moved == NULL) __builtin_trap();
    into->data = moved;
  }
  if (size > 0) memcpy(into->data + into->size, data, size);
  into->size += size;
}

static void put_number(message *into, unsigned long long value, bool negative, unsigned base) {
  char digits[24];
  size_t at = sizeof(digits);
  do {
    digits[--at] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  if (negative) digits[--at] = '-';
  put(into, digits + at, sizeof(digits) - at);
}

static void put_signed(message *into, long long value) {
  bool negative = value < 0;
  put_number(into, negative ? 0 - (unsigned long long)value : (unsigned long long)value, negative, 10);
}

static message format_message(const char *format, va_list arguments) {
  message into = {NULL, 0, 0};
  for (const char *at = format; *at != '\0'; at++) {
    if (*at != '%') {
      size_t plain = strcspn(at, "%");
      put(&into, at, plain);
      at += plain - 1;
      continue;
    }
    at++;
    if (strncmp(at, ".*s", 3) == 0) {
      int size = va_arg(arguments, int);
      put(&into, va_arg(arguments, const char *), (size_t)size);
      at += 2;
    } else if (strncmp(at, "zu", 2) == 0) {
      put_number(&into, va_arg(arguments, size_t), false, 10);
      at += 1;
    } else if (strncmp(at, "lld", 3) == 0) {
      put_signed(&into, va_arg(arguments, long long));
      at += 2;
    } else if (strncmp(at, "llu", 3) == 0) {
      put_number(&into, va_arg(arguments, unsigned long long), false, 10);
      at += 2;
    } else if (*at == 's') {
      const char *string = va_arg(arguments, const char *);
      put(&into, string, strlen(string));
    } else if (*at == 'c') {
      char letter = (char)va_arg(arguments, int);
      put(&into, &letter, 1);
    } else if (*at == 'd') {
      put_signed(&into, va_arg(arguments, int));
    } else if (*at == 'u' || *at == 'x') {
      put_number(&into, va_arg(arguments, unsigned), false, *at == 'x' ? 16 : 10);
    } else if (*at == '%') {
      put(&into, "%", 1);
    } else {
      // What follows cannot be known, so nothing more is read.
      put(&into, at - 1, strlen(at - 1));
      break;
    }
  }
  return into;
}

static message failure;

bool sluice_fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  failure = format_message(format, arguments);
  va_end(arguments);
  return false;
}

/// Why the transform failed, for once.
static message take_failure(void) {
  message taken = failure;
  failure = (message){NULL, 0, 0};
  if (taken.size == 0) put(&taken, "the transform failed and did not say why", 40);
  return taken;
}

_Noreturn void sluice_panic(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  message text = format_message(format, arguments);
  va_end(arguments);
  sluice_import_log(SLUICE_ERROR, text.data, text.size);
  __builtin_trap();
}

void sluice_log(sluice_level level, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  message text = format_message(format, arguments);
  va_end(arguments);
  sluice_import_log(level, text.data, text.size);
  free(text.data);
}

void sluice_metric(const char *name, double add) { sluice_import_metric(name, strlen(name), add); }

char *sluice_format(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  message text = format_message(format, arguments);
  va_end(arguments);
  put(&text, "", 1);
  return text.data;
}

// ---- Plan and output
// --------------------------------------------------------------------------------------------------

/// Texts as the contract has them.
typedef struct {
  sluice_list *items;
  size_t count;
  size_t capacity;
} names;

static void add_name(names *list, const char *name) {
  list->items = with_room(list->items, list->count, &list->capacity, sizeof(*list->items));
  list->items[list->count++] = list_of(string_of(name, strlen(name)));
}

/// The place of a name, or -1.
static ptrdiff_t index_of(const names *list, const char *name) {
  size_t size = strlen(name);
  for (size_t at = 0; at < list->count; at++) {
    if (list->items[at].size == size && memcmp(list->items[at].data, name, size) == 0) return (ptrdiff_t)at;
  }
  return -1;
}

typedef struct {
  sluice_list name;
  sluice_list data_type;
  uint8_t nullable;
  sluice_list computed_from;
} raw_write;

struct sluice_plan {
  names reads;
  names write_names;
  names write_types;
  /// As many as names; their lists are put in at the end.
  raw_write *writes;
  names *computed_from;
  size_t capacity;
  names drops;
  names key;
  bool deletes;
  bool fan_out;
};

static sluice_plan plan_of_batch;

void sluice_plan_read(sluice_plan *plan, const char *name) {
  if (index_of(&plan->reads, name) < 0) add_name(&plan->reads, name);
}

void sluice_plan_write(sluice_plan *plan, const char *name, const char *data_type) {
  size_t at = plan->write_names.count, capacity = plan->capacity;
  plan->writes = with_room(plan->writes, at, &capacity, sizeof(*plan->writes));
  plan->computed_from = with_room(plan->computed_from, at, &plan->capacity, sizeof(*plan->computed_from));
  add_name(&plan->write_names, name);
  add_name(&plan->write_types, data_type);
  plan->writes[at] = (raw_write){plan->write_names.items[at], plan->write_types.items[at], 1, {NULL, 0}};
  plan->computed_from[at] = (names){NULL, 0, 0};
}

static size_t last_write(const sluice_plan *plan, const char *function) {
  if (plan->write_names.count == 0) {
    sluice_panic("`%s` belongs to a column that is written: call `sluice_plan_write` first", function);
  }
  return plan->write_names.count - 1;
}

void sluice_plan_required(sluice_plan *plan) { plan->writes[last_write(plan, "sluice_plan_required")].nullable = 0; }

void sluice_plan_computed_from(sluice_plan *plan, const char *name) {
  add_name(&plan->computed_from[last_write(plan, "sluice_plan_computed_from")], name);
}

void sluice_plan_drop(sluice_plan *plan, const char *name) { add_name(&plan->drops, name); }

void sluice_plan_deletes(sluice_plan *plan) { plan->deletes = true; }

void sluice_plan_key(sluice_plan *plan, const char *name) { add_name(&plan->key, name); }

void sluice_plan_fan_out(sluice_plan *plan) { plan->fan_out = true; }

sluice_column sluice_batch_column(const sluice_batch *batch, const char *name) {
  ptrdiff_t at = index_of(&plan_of_batch.reads, name);
  if (at < 0) sluice_panic("column %s is not among those that the plan reads", name);
  return batch->columns[at];
}

typedef struct {
  uint8_t is_some;
  uint32_t column;
} raw_option;

struct sluice_output {
  /// In the plan's order.
  uint32_t *columns;
  bool *written;
  raw_option keep;
  raw_option source_rows;
  raw_option rejected;
  raw_option ops;
};

void sluice_output_write(sluice_output *output, const char *name, sluice_column column) {
  ptrdiff_t at = index_of(&plan_of_batch.write_names, name);
  if (at < 0) sluice_panic("column %s was written, but the plan does not write it", name);
  output->columns[at] = column.handle;
  output->written[at] = true;
}

void sluice_output_keep(sluice_output *output, sluice_column condition) {
  output->keep = (raw_option){1, condition.handle};
}

void sluice_output_source_rows(sluice_output *output, sluice_column rows) {
  output->source_rows = (raw_option){1, rows.handle};
}

void sluice_output_rejected(sluice_output *output, sluice_column reasons) {
  output->rejected = (raw_option){1, reasons.handle};
}

void sluice_output_ops(sluice_output *output, sluice_column ops) { output->ops = (raw_option){1, ops.handle}; }

// ---- The exports
// --------------------------------------------------------------------------------------------------------

typedef struct {
  sluice_list name;
  sluice_list data_type;
  uint8_t nullable;
  uint8_t key;
} raw_input_column;

typedef struct {
  uint8_t is_err;
  union {
    sluice_list error;
    struct {
      sluice_list reads;
      sluice_list writes;
      sluice_list drops;
      uint8_t deletes;
      sluice_list key;
      uint8_t fan_out;
    } plan;
    struct {
      sluice_list columns;
      raw_option keep;
      raw_option source_rows;
      raw_option rejected;
      raw_option ops;
    } output;
  } value;
} raw_result;

static raw_result result;

static raw_result *failed(void) {
  message text = take_failure();
  result.is_err = 1;
  result.value.error = (sluice_list){text.data, text.size};
  return &result;
}

static sluice_list names_list(const names *list) { return (sluice_list){list->items, list->count}; }

EXPORT("configure")
raw_result *sluice_export_configure(const char *table, size_t table_size, const char *settings, size_t settings_size,
                                    const char *seed, size_t seed_size, const raw_input_column *columns,
                                    size_t column_count) {
  sluice_input_column *inputs = sluice_allocate(column_count * sizeof(*inputs));
  for (size_t at = 0; at < column_count; at++) {
    inputs[at].name = string_of(columns[at].name.data, columns[at].name.size);
    inputs[at].data_type = string_of(columns[at].data_type.data, columns[at].data_type.size);
    inputs[at].nullable = columns[at].nullable;
    inputs[at].key = columns[at].key;
  }
  sluice_setup setup = {string_of(table, table_size), string_of(settings, settings_size), string_of(seed, seed_size),
                        inputs, column_count};
  sluice_plan *plan = &plan_of_batch;
  memset(plan, 0, sizeof(*plan));
  if (!sluice_configure(&setup, plan)) return failed();
  size_t write_count = plan->write_names.count;
  for (size_t at = 0; at < write_count; at++) plan->writes[at].computed_from = names_list(&plan->computed_from[at]);
  result.is_err = 0;
  result.value.plan.reads = names_list(&plan->reads);
  result.value.plan.writes = (sluice_list){plan->writes, write_count};
  result.value.plan.drops = names_list(&plan->drops);
  result.value.plan.deletes = plan->deletes;
  result.value.plan.key = names_list(&plan->key);
  result.value.plan.fan_out = plan->fan_out;
  return &result;
}

EXPORT("transform")
raw_result *sluice_export_transform(uint32_t rows, const uint32_t *columns, size_t column_count, uint32_t ops,
                                    uint32_t ordinals, uint32_t times) {
  size_t write_count = plan_of_batch.write_names.count;
  sluice_batch batch = {rows, (const sluice_column *)columns, column_count, {ops}, {ordinals}, {times}};
  sluice_output output = {0};
  output.columns = allocate_zeroed(write_count * sizeof(*output.columns));
  output.written = allocate_zeroed(write_count);
  if (!sluice_transform(&batch, &output)) return failed();
  for (size_t at = 0; at < write_count; at++) {
    if (output.written[at]) continue;
    sluice_list name = plan_of_batch.write_names.items[at];
    sluice_fail("column %.*s was not written, but the plan writes it", (int)name.size, (const char *)name.data);
    return failed();
  }
  result.is_err = 0;
  result.value.output.columns = (sluice_list){output.columns, write_count};
  result.value.output.keep = output.keep;
  result.value.output.source_rows = output.source_rows;
  result.value.output.rejected = output.rejected;
  result.value.output.ops = output.ops;
  return &result;
}

// ---- Settings -------------------------------------------------------------------------------------------------------
//
// The host hands over JSON that it has read itself, so this looks for ends of values and does not check what it skips;
// it never reads beyond them.

static bool is_white(char letter) { return letter == ' ' || letter == '\t' || letter == '\n' || letter == '\r'; }

static void skip_white(sluice_setting *rest) {
  while (rest->size > 0 && is_white(*rest->data)) rest->data++, rest->size--;
}

static bool accept(sluice_setting *rest, char letter) {
  skip_white(rest);
  if (rest->size == 0 || *rest->data != letter) return false;
  rest->data++, rest->size--;
  return true;
}

/// Bytes of the value that `rest` begins with.
static size_t value_size(sluice_setting rest) {
  size_t depth = 0;
  for (size_t at = 0; at < rest.size; at++) {
    char letter = rest.data[at];
    if (letter == '"') {
      for (at++; at < rest.size && rest.data[at] != '"'; at++) at += rest.data[at] == '\\';
      if (depth == 0) return at < rest.size ? at + 1 : rest.size;
    } else if (letter == '{' || letter == '[') {
      depth++;
    } else if (letter == '}' || letter == ']') {
      if (depth == 0) return at;
      if (--depth == 0) return at + 1;
    } else if (depth == 0 && (letter == ',' || letter == ':' || is_white(letter))) {
      return at;
    }
  }
  return rest.size;
}

/// Takes the value that `rest` begins with.
static sluice_setting take_value(sluice_setting *rest) {
  skip_white(rest);
  sluice_setting value = {rest->data, value_size(*rest)};
  rest->data += value.size;
  rest->size -= value.size;
  return value;
}

sluice_setting sluice_settings(const sluice_setup *setup) {
  sluice_setting rest = sluice_text_of(setup->settings);
  return take_value(&rest);
}

sluice_setting sluice_setting_field(sluice_setting object, const char *name) {
  static const sluice_setting nothing = {NULL, 0};
  if (!accept(&object, '{')) return nothing;
  while (object.size > 0 && !accept(&object, '}')) {
    const char *found = sluice_setting_string(take_value(&object));
    accept(&object, ':');
    sluice_setting value = take_value(&object);
    if (found != NULL && strcmp(found, name) == 0) return sluice_text_is(value, "null") ? nothing : value;
    if (!accept(&object, ',')) break;
  }
  return nothing;
}

bool sluice_setting_next(sluice_setting *list, sluice_setting *item) {
  // A list is the rest of itself: first `[`, then `,`, then `]`.
  if (!accept(list, '[') && !accept(list, ',')) return false;
  *item = take_value(list);
  return item->size > 0;
}

static unsigned hexadecimal(const char *digits) {
  unsigned code = 0;
  for (int at = 0; at < 4; at++) {
    char digit = digits[at];
    code = code * 16 + (unsigned)(digit <= '9' ? digit - '0' : (digit | 32) - 'a' + 10);
  }
  return code;
}

/// Writes a character in UTF-8; how many bytes it took.
static size_t write_character(char *to, unsigned code) {
  if (code < 0x80) {
    to[0] = (char)code;
    return 1;
  }
  size_t more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  static const unsigned char marks[] = {0, 0xc0, 0xe0, 0xf0};
  to[0] = (char)(marks[more] | code >> (6 * more));
  for (size_t at = 1; at <= more; at++) to[at] = (char)(0x80 | (code >> (6 * (more - at)) & 0x3f));
  return more + 1;
}

const char *sluice_setting_string(sluice_setting setting) {
  if (setting.size < 2 || setting.data[0] != '"') return NULL;
  // An escape is never shorter than what it stands for.
  char *string = sluice_allocate(setting.size);
  const char *at = setting.data + 1, *end = setting.data + setting.size - 1;
  size_t size = 0;
  while (at < end) {
    if (*at != '\\' || end - at < 2) {
      string[size++] = *at++;
      continue;
    }
    static const char escapes[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    char letter = at[1];
    const char *escape = strchr(escapes, letter);
    if (letter == 'u' && end - at >= 6) {
      unsigned code = hexadecimal(at + 2);
      at += 6;
      if (code >= 0xd800 && code < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        code = 0x10000 + ((code - 0xd800) << 10) + (hexadecimal(at + 2) & 0x3ff);
        at += 6;
      }
      size += write_character(string + size, code);
    } else {
      string[size++] = escape != NULL ? meanings[escape - escapes] : letter;
      at += 2;
    }
  }
  string[size] = '\0';
  return string;
}

bool sluice_setting_long(sluice_setting setting, int64_t *value) {
  bool negative = setting.size > 0 && setting.data[0] == '-';
  if (setting.size == (size_t)negative) return false;
  int64_t number = 0;
  for (size_t at = negative; at < setting.size; at++) {
    int64_t digit = setting.data[at] - '0';
    if (digit < 0 || digit > 9 || __builtin_mul_overflow(number, 10, &number)) return false;
    if (__builtin_sub_overflow(number, digit, &number)) return false;
  }
  // Counted downwards, since there is one more negative number.
  if (!negative && number == INT64_MIN) return false;
  *value = negative ? number : -number;
  return true;
}

bool sluice_setting_double(sluice_setting setting, double *value) {
  size_t at = setting.size > 0 && setting.data[0] == '-';
  bool negative = at == 1, digits = false;
  double number = 0, scale = 1;
  int exponent = 0;
  for (; at < setting.size && setting.data[at] >= '0' && setting.data[at] <= '9'; at++) {
    number = number * 10 + (setting.data[at] - '0');
    digits = true;
  }
  if (at < setting.size && setting.data[at] == '.') {
    for (at++; at < setting.size && setting.data[at] >= '0' && setting.data[at] <= '9'; at++) {
      number = number * 10 + (setting.data[at] - '0');
      scale *= 10;
    }
  }
  if (digits && at < setting.size && (setting.data[at] | 32) == 'e') {
    bool down = ++at < setting.size && setting.data[at] == '-';
    if (at < setting.size && (setting.data[at] == '-' || setting.data[at] == '+')) at++;
    for (; at < setting.size && setting.data[at] >= '0' && setting.data[at] <= '9' && exponent < 1000; at++) {
      exponent = exponent * 10 + (setting.data[at] - '0');
    }
    for (; exponent > 0; exponent--) down ? (scale *= 10) : (number *= 10);
  }
  if (!digits || at < setting.size) return false;
  *value = (negative ? -number : number) / scale;
  return true;
}

bool sluice_setting_boolean(sluice_setting setting, bool *value) {
  *value = sluice_text_is(setting, "true");
  return *value || sluice_text_is(setting, "false");
}

// ---- Bytes ----------------------------------------------------------------------------------------------------------

static const char *const kind_names[] = {"boolean", "int", "long", "float", "double", "decimal", "string", "binary"};
/// Bytes of a value; those of a boolean are bits.
static const size_t kind_sizes[] = {0, 4, 8, 4, 8, 16, 1, 1};

const char *sluice_type_of(sluice_column column) {
  sluice_list name = {NULL, 0};
  sluice_import_type_of(column.handle, &name);
  return string_of(name.data, name.size);
}

sluice_kind sluice_kind_of(const char *data_type) {
  static const struct {
    const char *name;
    sluice_kind kind;
  } kinds[] = {
      {"boolean", SLUICE_BOOLEAN}, {"int", SLUICE_INT},          {"long", SLUICE_LONG},   {"float", SLUICE_FLOAT},
      {"double", SLUICE_DOUBLE},   {"decimal", SLUICE_DECIMAL},  {"date", SLUICE_INT},    {"time", SLUICE_LONG},
      {"timestamp", SLUICE_LONG},  {"timestamptz", SLUICE_LONG}, {"string", SLUICE_TEXT}, {"binary", SLUICE_BINARY},
  };
  size_t size = strcspn(data_type, "(");
  for (size_t at = 0; at < sizeof(kinds) / sizeof(*kinds); at++) {
    if (strlen(kinds[at].name) == size && memcmp(kinds[at].name, data_type, size) == 0) return kinds[at].kind;
  }
  sluice_panic("type %s is not known to this version of the SDK", data_type);
}

sluice_values sluice_read(sluice_column column) {
  sluice_buffers buffers = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
  sluice_values values = {.kind = sluice_kind_of(sluice_type_of(column))};
  sluice_import_read(column.handle, &buffers);
  values.validity = buffers.validity.size == 0 ? NULL : buffers.validity.data;
  values.offsets = buffers.offsets.data;
  values.values = buffers.values.data;
  values.values_size = buffers.values.size;
  if (values.kind >= SLUICE_TEXT) {
    values.rows = buffers.offsets.size / 4 - (buffers.offsets.size >= 4);
  } else if (values.kind == SLUICE_BOOLEAN) {
    values.rows = buffers.values.size * 8;
  } else {
    values.rows = buffers.values.size / kind_sizes[values.kind];
  }
  return values;
}

_Noreturn void sluice_wrong_read(const sluice_values *values, sluice_kind kind, size_t row) {
  if (values->kind == kind) sluice_panic("row %zu was read of a column of %zu rows", row, values->rows);
  sluice_panic("a column of kind %s was read as %s", kind_names[values->kind], kind_names[kind]);
}

_Noreturn void sluice_wrong_write(const sluice_writer *writer, sluice_kind kind) {
  sluice_panic("a value of kind %s was written to a column of type %s", kind_names[kind], writer->data_type);
}

/// A buffer with room for `more` bytes; it grows by doubling.
static uint8_t *roomy(uint8_t *buffer, size_t size, size_t *capacity, size_t more) {
  if (*capacity - size >= more) return buffer;
  *capacity = *capacity * 2 > size + more ? *capacity * 2 : size + more + 64;
  uint8_t *moved = realloc(buffer, *capacity);
  if (moved == NULL) __builtin_trap();
  return moved;
}

sluice_writer sluice_writer_new(const char *data_type, size_t rows, size_t bytes) {
  sluice_writer writer = {.kind = sluice_kind_of(data_type), .data_type = data_type, .expected_rows = rows};
  if (writer.kind >= SLUICE_TEXT) {
    writer.offsets_capacity = (rows + 1) * 4;
    writer.offsets = sluice_allocate(writer.offsets_capacity);
    memset(writer.offsets, 0, 4);
    writer.capacity = bytes;
  } else {
    writer.capacity = writer.kind == SLUICE_BOOLEAN ? (rows + 7) / 8 : rows * kind_sizes[writer.kind];
  }
  writer.values = sluice_allocate(writer.capacity);
  return writer;
}

void sluice_writer_grow(sluice_writer *writer, size_t more) {
  writer->values = roomy(writer->values, writer->size, &writer->capacity, more);
}

void sluice_writer_grow_offsets(sluice_writer *writer) {
  writer->offsets = roomy(writer->offsets, writer->rows * 4, &writer->offsets_capacity, 4);
}

void sluice_writer_note_validity(sluice_writer *writer, bool valid) {
  size_t byte = writer->rows / 8;
  if (writer->validity == NULL) {
    size_t wanted = (writer->expected_rows + 7) / 8;
    writer->validity_capacity = wanted > byte ? wanted : byte + 1;
    writer->validity = sluice_allocate(writer->validity_capacity);
    memset(writer->validity, 0xff, byte);
    writer->validity[byte] = (uint8_t)((1u << writer->rows % 8) - 1);
  } else if (writer->rows % 8 == 0) {
    writer->validity = roomy(writer->validity, byte, &writer->validity_capacity, 1);
    writer->validity[byte] = 0;
  }
  writer->validity[byte] |= (uint8_t)(valid << writer->rows % 8);
}

static void write_bit(sluice_writer *writer, bool value) {
  if (writer->rows % 8 == 0) {
    sluice_writer_grow(writer, 1);
    writer->values[writer->size++] = 0;
  }
  writer->values[writer->rows / 8] |= (uint8_t)(value << writer->rows % 8);
}

void sluice_write_null(sluice_writer *writer) {
  size_t size = writer->kind < SLUICE_TEXT ? kind_sizes[writer->kind] : 0;
  if (writer->kind == SLUICE_BOOLEAN) write_bit(writer, false);
  if (size > 0) {
    sluice_writer_grow(writer, size);
    memset(writer->values + writer->size, 0, size);
    writer->size += size;
  }
  sluice_writer_end_row(writer, false);
}

void sluice_write_boolean(sluice_writer *writer, bool value) {
  if (writer->kind != SLUICE_BOOLEAN) sluice_wrong_write(writer, SLUICE_BOOLEAN);
  write_bit(writer, value);
  sluice_writer_end_row(writer, true);
}

sluice_column sluice_writer_finish(sluice_writer *writer) {
  sluice_text validity = {(const char *)writer->validity, writer->validity == NULL ? 0 : (writer->rows + 7) / 8};
  sluice_text offsets = {(const char *)writer->offsets, writer->kind < SLUICE_TEXT ? 0 : (writer->rows + 1) * 4};
  sluice_text values = {(const char *)writer->values, writer->size};
  sluice_column column = sluice_make(writer->data_type, writer->rows, validity, offsets, values);
  // The last one made goes first, so that a memory that only grows at its end gives all of it back.
  free(writer->validity);
  free(writer->values);
  free(writer->offsets);
  writer->validity = writer->offsets = writer->values = NULL;
  return column;
}

sluice_column sluice_make(const char *data_type, size_t rows, sluice_text validity, sluice_text offsets,
                          sluice_text values) {
  return (sluice_column){sluice_import_make(data_type, strlen(data_type), (uint32_t)rows, validity.data, validity.size,
                                            offsets.data, offsets.size, values.data, values.size)};
}

sluice_column sluice_constant(const char *data_type, const char *value) {
  size_t size = value == NULL ? 0 : strlen(value);
  return (sluice_column){sluice_import_constant(data_type, strlen(data_type), value != NULL, value, size)};
}

// ---- Rows -----------------------------------------------------------------------------------------------------------

/// A value that a row sets.
typedef struct {
  bool is_set;
  bool is_null;
  union {
    bool boolean;
    int32_t integer;
    int64_t longer;
    float single;
    double twice;
    sluice_decimal decimal;
    sluice_text text;
  } value;
} cell;

/// A column that is read only once a row asks for it.
typedef struct {
  sluice_column column;
  bool is_read;
  sluice_values values;
} lazy_values;

struct sluice_row {
  size_t at;
  sluice_values *columns;
  /// For each written column, the read one of the same name, or -1.
  ptrdiff_t *untouched;
  cell *cells;
  sluice_writer *writers;
  size_t write_count;
  size_t rows_written;
  lazy_values ops;
  lazy_values ordinals;
  lazy_values times;
  bool is_fan_out;
  char op;
  bool is_dropped;
  bool is_rejected;
  message reason;
  sluice_writer source_rows;
  /// These three are begun with the first row that needs them.
  sluice_writer keep;
  sluice_writer rejected;
  sluice_writer new_ops;
  /// Texts that a row sets.
  void **scratch;
  size_t scratch_count;
  size_t scratch_capacity;
};

static const sluice_values *column_of(const sluice_row *row, const char *name) {
  ptrdiff_t at = index_of(&plan_of_batch.reads, name);
  if (at < 0) sluice_panic("column %s is not among those that the plan reads", name);
  return &row->columns[at];
}

bool sluice_row_is_null(const sluice_row *row, const char *name) {
  return sluice_null_at(column_of(row, name), row->at);
}

bool sluice_row_boolean(const sluice_row *row, const char *name, bool *value) {
  const sluice_values *values = column_of(row, name);
  *value = sluice_boolean_at(values, row->at);
  return !sluice_null_at(values, row->at);
}

bool sluice_row_int(const sluice_row *row, const char *name, int32_t *value) {
  const sluice_values *values = column_of(row, name);
  *value = sluice_int_at(values, row->at);
  return !sluice_null_at(values, row->at);
}

bool sluice_row_long(const sluice_row *row, const char *name, int64_t *value) {
  const sluice_values *values = column_of(row, name);
  *value = values->kind == SLUICE_INT ? sluice_int_at(values, row->at) : sluice_long_at(values, row->at);
  return !sluice_null_at(values, row->at);
}

bool sluice_row_float(const sluice_row *row, const char *name, float *value) {
  const sluice_values *values = column_of(row, name);
  *value = sluice_float_at(values, row->at);
  return !sluice_null_at(values, row->at);
}

bool sluice_row_double(const sluice_row *row, const char *name, double *value) {
  const sluice_values *values = column_of(row, name);
  if (values->kind == SLUICE_INT) {
    *value = sluice_int_at(values, row->at);
  } else if (values->kind == SLUICE_FLOAT) {
    *value = sluice_float_at(values, row->at);
  } else {
    *value = sluice_double_at(values, row->at);
  }
  return !sluice_null_at(values, row->at);
}

bool sluice_row_decimal(const sluice_row *row, const char *name, sluice_decimal *value) {
  const sluice_values *values = column_of(row, name);
  *value = sluice_decimal_at(values, row->at);
  return !sluice_null_at(values, row->at);
}

sluice_text sluice_row_text(const sluice_row *row, const char *name) {
  return sluice_text_at(column_of(row, name), row->at);
}

/// The rows are the author's constants, what is read lazily is not.
static const sluice_values *lazily(const lazy_values *lazy) {
  lazy_values *values = (lazy_values *)lazy;
  if (!values->is_read) {
    values->values = sluice_read(values->column);
    values->is_read = true;
  }
  return &values->values;
}

char sluice_row_op(const sluice_row *row) {
  sluice_text op = sluice_text_at(lazily(&row->ops), row->at);
  return op.size > 0 ? op.data[0] : '\0';
}

int64_t sluice_row_ordinal(const sluice_row *row) { return sluice_long_at(lazily(&row->ordinals), row->at); }

bool sluice_row_time(const sluice_row *row, int64_t *value) {
  const sluice_values *values = lazily(&row->times);
  *value = sluice_long_at(values, row->at);
  return !sluice_null_at(values, row->at);
}

static size_t written_index(const char *name) {
  ptrdiff_t at = index_of(&plan_of_batch.write_names, name);
  if (at < 0) sluice_panic("column %s is not among those that the plan writes", name);
  return (size_t)at;
}

/// The cell of a written column, for a value of this kind.
static cell *cell_for(sluice_row *row, const char *name, sluice_kind kind) {
  size_t at = written_index(name);
  sluice_kind written = row->writers[at].kind;
  if (written != kind && !(kind == SLUICE_TEXT && written == SLUICE_BINARY)) {
    sluice_wrong_write(&row->writers[at], kind);
  }
  row->cells[at].is_set = true;
  row->cells[at].is_null = false;
  return &row->cells[at];
}

void sluice_row_set_null(sluice_row *row, const char *name) {
  cell *set = &row->cells[written_index(name)];
  set->is_set = set->is_null = true;
}

void sluice_row_set_boolean(sluice_row *row, const char *name, bool value) {
  cell_for(row, name, SLUICE_BOOLEAN)->value.boolean = value;
}

void sluice_row_set_int(sluice_row *row, const char *name, int32_t value) {
  cell_for(row, name, SLUICE_INT)->value.integer = value;
}

void sluice_row_set_long(sluice_row *row, const char *name, int64_t value) {
  cell_for(row, name, SLUICE_LONG)->value.longer = value;
}

void sluice_row_set_float(sluice_row *row, const char *name, float value) {
  cell_for(row, name, SLUICE_FLOAT)->value.single = value;
}

void sluice_row_set_double(sluice_row *row, const char *name, double value) {
  cell_for(row, name, SLUICE_DOUBLE)->value.twice = value;
}

void sluice_row_set_decimal(sluice_row *row, const char *name, sluice_decimal value) {
  cell_for(row, name, SLUICE_DECIMAL)->value.decimal = value;
}

void sluice_row_set_text(sluice_row *row, const char *name, sluice_text value) {
  cell *set = cell_for(row, name, SLUICE_TEXT);
  set->is_null = value.data == NULL;
  if (set->is_null) return;
  // The author's buffer may be gone when the row is written.
  row->scratch = with_room(row->scratch, row->scratch_count, &row->scratch_capacity, sizeof(*row->scratch));
  char *copy = string_of(value.data, value.size);
  row->scratch[row->scratch_count++] = copy;
  set->value.text = (sluice_text){copy, value.size};
}

void sluice_row_set_op(sluice_row *row, char op) { row->op = op; }

void sluice_row_drop(sluice_row *row) { row->is_dropped = true; }

void sluice_row_reject(sluice_row *row, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  row->reason = format_message(format, arguments);
  va_end(arguments);
  row->is_rejected = true;
}

/// Writes a row's value as it was read.
static void write_untouched(sluice_writer *writer, const sluice_values *values, size_t row) {
  if (values->kind != writer->kind) sluice_wrong_write(writer, values->kind);
  if (sluice_null_at(values, row)) {
    sluice_write_null(writer);
  } else if (writer->kind >= SLUICE_TEXT) {
    sluice_write_text(writer, sluice_text_at(values, row));
  } else if (writer->kind == SLUICE_BOOLEAN) {
    sluice_write_boolean(writer, sluice_boolean_at(values, row));
  } else {
    size_t size = kind_sizes[writer->kind];
    sluice_write_fixed(writer, writer->kind, values->values + row * size, size);
  }
}

static void write_cell(sluice_writer *writer, const cell *set) {
  if (set->is_null) {
    sluice_write_null(writer);
    return;
  }
  switch (writer->kind) {
  case SLUICE_BOOLEAN:
    sluice_write_boolean(writer, set->value.boolean);
    break;
  case SLUICE_INT:
    sluice_write_int(writer, set->value.integer);
    break;
  case SLUICE_LONG:
    sluice_write_long(writer, set->value.longer);
    break;
  case SLUICE_FLOAT:
    sluice_write_float(writer, set->value.single);
    break;
  case SLUICE_DOUBLE:
    sluice_write_double(writer, set->value.twice);
    break;
  case SLUICE_DECIMAL:
    sluice_write_decimal(writer, set->value.decimal);
    break;
  case SLUICE_TEXT:
  case SLUICE_BINARY:
    sluice_write_text(writer, set->value.text);
    break;
  }
}

static void end_output_row(sluice_row *row, char op) {
  if (op != '\0' && row->new_ops.data_type == NULL) {
    row->new_ops = sluice_writer_new("string", row->rows_written + 1, 0);
    for (size_t at = 0; at < row->rows_written; at++) sluice_write_null(&row->new_ops);
  }
  if (row->new_ops.data_type != NULL) {
    sluice_write_text(&row->new_ops, (sluice_text){op == '\0' ? NULL : &op, 1});
  }
  row->rows_written++;
}

static void write_row(sluice_row *row) {
  for (size_t column = 0; column < row->write_count; column++) {
    sluice_writer *writer = &row->writers[column];
    if (row->cells[column].is_set) {
      write_cell(writer, &row->cells[column]);
    } else if (row->untouched[column] >= 0) {
      write_untouched(writer, &row->columns[row->untouched[column]], row->at);
    } else {
      sluice_write_null(writer);
    }
  }
  if (row->is_fan_out) sluice_write_int(&row->source_rows, (int32_t)row->at);
  end_output_row(row, row->op);
}

void sluice_row_emit(sluice_row *row) {
  if (!row->is_fan_out) sluice_panic("`sluice_row_emit` belongs to `sluice_fan_out_rows`");
  write_row(row);
}

/// Notes what became of a row of the batch.
static void note_outcome(sluice_row *row) {
  bool is_dropped = row->is_dropped && !row->is_rejected;
  if (is_dropped && row->keep.data_type == NULL) {
    row->keep = sluice_writer_new("boolean", row->at + 1, 0);
    for (size_t at = 0; at < row->at; at++) sluice_write_boolean(&row->keep, true);
  }
  if (row->is_rejected && row->rejected.data_type == NULL) {
    row->rejected = sluice_writer_new("string", row->at + 1, 0);
    for (size_t at = 0; at < row->at; at++) sluice_write_null(&row->rejected);
  }
  if (row->keep.data_type != NULL) sluice_write_boolean(&row->keep, !is_dropped);
  if (row->rejected.data_type != NULL) {
    sluice_text reason = {row->is_rejected ? row->reason.data : NULL, row->reason.size};
    sluice_write_text(&row->rejected, reason);
  }
}

static void begin_row(sluice_row *row, size_t at) {
  // The last one first: then they all go back.
  while (row->scratch_count > 0) free(row->scratch[--row->scratch_count]);
  free(row->reason.data);
  row->reason = (message){NULL, 0, 0};
  for (size_t column = 0; column < row->write_count; column++) row->cells[column].is_set = false;
  row->at = at;
  row->op = '\0';
  row->is_dropped = row->is_rejected = false;
}

static void shape_row(sluice_row *row, sluice_shape *shape, void *context) {
  if (!shape(row, context)) {
    row->is_rejected = true;
    row->reason = take_failure();
  }
  // A dropped row is written, too: where the transform has a key of its own, it names the row that goes.
  if (!row->is_fan_out && !row->is_rejected) write_row(row);
  if (!row->is_fan_out && row->is_rejected) {
    for (size_t column = 0; column < row->write_count; column++) sluice_write_null(&row->writers[column]);
    end_output_row(row, '\0');
  }
  note_outcome(row);
}

static sluice_row row_of(const sluice_batch *batch, bool is_fan_out) {
  const sluice_plan *plan = &plan_of_batch;
  sluice_row row = {.is_fan_out = is_fan_out, .write_count = plan->write_names.count};
  row.ops.column = batch->ops;
  row.ordinals.column = batch->ordinals;
  row.times.column = batch->times;
  row.columns = sluice_allocate(batch->column_count * sizeof(*row.columns));
  for (size_t at = 0; at < batch->column_count; at++) row.columns[at] = sluice_read(batch->columns[at]);
  row.cells = allocate_zeroed(row.write_count * sizeof(*row.cells));
  row.untouched = sluice_allocate(row.write_count * sizeof(*row.untouched));
  row.writers = sluice_allocate(row.write_count * sizeof(*row.writers));
  for (size_t at = 0; at < row.write_count; at++) {
    row.untouched[at] = index_of(&plan->reads, plan->write_names.items[at].data);
    row.writers[at] = sluice_writer_new(plan->write_types.items[at].data, batch->rows, batch->rows * 16);
  }
  if (is_fan_out) row.source_rows = sluice_writer_new("int", batch->rows, 0);
  return row;
}

static bool each_row(const sluice_batch *batch, sluice_output *output, sluice_shape *shape, void *context,
                     bool is_fan_out) {
  sluice_row row = row_of(batch, is_fan_out);
  for (size_t at = 0; at < batch->rows; at++) {
    begin_row(&row, at);
    shape_row(&row, shape, context);
  }
  for (size_t column = 0; column < row.write_count; column++) {
    sluice_output_write(output, plan_of_batch.write_names.items[column].data,
                        sluice_writer_finish(&row.writers[column]));
  }
  if (is_fan_out) sluice_output_source_rows(output, sluice_writer_finish(&row.source_rows));
  // With source rows, a row that is dropped is one that does not occur.
  if (row.keep.data_type != NULL && !is_fan_out) sluice_output_keep(output, sluice_writer_finish(&row.keep));
  if (row.rejected.data_type != NULL) sluice_output_rejected(output, sluice_writer_finish(&row.rejected));
  if (row.new_ops.data_type != NULL) sluice_output_ops(output, sluice_writer_finish(&row.new_ops));
  return true;
}

bool sluice_map_rows(const sluice_batch *batch, sluice_output *output, sluice_shape *shape, void *context) {
  return each_row(batch, output, shape, context, false);
}

bool sluice_fan_out_rows(const sluice_batch *batch, sluice_output *output, sluice_shape *shape, void *context) {
  return each_row(batch, output, shape, context, true);
}

// ---- Kernels --------------------------------------------------------------------------------------------------------

static sluice_list *sluice_lists_of(const char *const *strings, size_t count) {
  sluice_list *lists = sluice_allocate(count * sizeof(*lists));
  for (size_t at = 0; at < count; at++) lists[at] = list_of(strings[at]);
  return lists;
}

sluice_column sluice_lower(sluice_column text) { return (sluice_column){sluice_import_lower(text.handle)}; }

sluice_column sluice_upper(sluice_column text) { return (sluice_column){sluice_import_upper(text.handle)}; }

sluice_column sluice_trim(sluice_column text) { return (sluice_column){sluice_import_trim(text.handle)}; }

sluice_column sluice_length(sluice_column of) { return (sluice_column){sluice_import_length(of.handle)}; }

sluice_column sluice_substring(sluice_column text, int32_t start, uint32_t length) {
  return (sluice_column){sluice_import_substring(text.handle, start, length != SLUICE_TO_END, length)};
}

sluice_column sluice_split_part(sluice_column text, const char *separator, uint32_t index) {
  return (sluice_column){sluice_import_split_part(text.handle, separator, strlen(separator), index)};
}

sluice_column sluice_replace(sluice_column text, const char *search, const char *replacement) {
  return (sluice_column){sluice_import_replace(text.handle, search, strlen(search), replacement, strlen(replacement))};
}

sluice_column sluice_pad_start(sluice_column text, uint32_t length, const char *fill) {
  return (sluice_column){sluice_import_pad_start(text.handle, length, fill, strlen(fill))};
}

sluice_column sluice_concat(const sluice_column *parts, size_t count, const char *separator) {
  return (sluice_column){sluice_import_concat(parts, count, separator, strlen(separator))};
}

sluice_column sluice_starts_with(sluice_column text, const char *prefix) {
  return (sluice_column){sluice_import_starts_with(text.handle, prefix, strlen(prefix))};
}

sluice_column sluice_ends_with(sluice_column text, const char *suffix) {
  return (sluice_column){sluice_import_ends_with(text.handle, suffix, strlen(suffix))};
}

sluice_column sluice_contains(sluice_column text, const char *search) {
  return (sluice_column){sluice_import_contains(text.handle, search, strlen(search))};
}

sluice_column sluice_regex_matches(sluice_column text, const char *pattern) {
  return (sluice_column){sluice_import_regex_matches(text.handle, pattern, strlen(pattern))};
}

sluice_column sluice_regex_extract(sluice_column text, const char *pattern, uint32_t group) {
  return (sluice_column){sluice_import_regex_extract(text.handle, pattern, strlen(pattern), group)};
}

sluice_column sluice_regex_replace(sluice_column text, const char *pattern, const char *replacement) {
  return (sluice_column){
      sluice_import_regex_replace(text.handle, pattern, strlen(pattern), replacement, strlen(replacement))};
}

sluice_column sluice_json_field(sluice_column text, const char *path) {
  return (sluice_column){sluice_import_json_field(text.handle, path, strlen(path))};
}

sluice_column sluice_hmac(sluice_column of, const void *key, size_t key_size) {
  return (sluice_column){sluice_import_hmac(of.handle, key, key_size)};
}

sluice_column sluice_sha256(sluice_column of) { return (sluice_column){sluice_import_sha256(of.handle)}; }

sluice_column sluice_keyed_hash(sluice_column of, const void *key, size_t key_size) {
  return (sluice_column){sluice_import_keyed_hash(of.handle, key, key_size)};
}

sluice_column sluice_mask(sluice_column text, uint32_t keep_start, uint32_t keep_end, const char *fill) {
  return (sluice_column){sluice_import_mask(text.handle, keep_start, keep_end, fill, strlen(fill))};
}

sluice_column sluice_hex(sluice_column of) { return (sluice_column){sluice_import_hex(of.handle)}; }

sluice_column sluice_base64(sluice_column of) { return (sluice_column){sluice_import_base64(of.handle)}; }

sluice_column sluice_cast(sluice_column of, const char *data_type) {
  return (sluice_column){sluice_import_cast(of.handle, data_type, strlen(data_type))};
}

sluice_column sluice_add(sluice_column left, sluice_column right) {
  return (sluice_column){sluice_import_add(left.handle, right.handle)};
}

sluice_column sluice_subtract(sluice_column left, sluice_column right) {
  return (sluice_column){sluice_import_subtract(left.handle, right.handle)};
}

sluice_column sluice_multiply(sluice_column left, sluice_column right) {
  return (sluice_column){sluice_import_multiply(left.handle, right.handle)};
}

sluice_column sluice_divide(sluice_column left, sluice_column right) {
  return (sluice_column){sluice_import_divide(left.handle, right.handle)};
}

sluice_column sluice_remainder(sluice_column left, sluice_column right) {
  return (sluice_column){sluice_import_remainder(left.handle, right.handle)};
}

sluice_column sluice_round(sluice_column of, int32_t digits) {
  return (sluice_column){sluice_import_round(of.handle, digits)};
}

sluice_column sluice_abs(sluice_column of) { return (sluice_column){sluice_import_abs(of.handle)}; }

sluice_column sluice_equal(sluice_column left, sluice_column right) {
  return (sluice_column){sluice_import_equal(left.handle, right.handle)};
}

sluice_column sluice_not_equal(sluice_column left, sluice_column right) {
  return (sluice_column){sluice_import_not_equal(left.handle, right.handle)};
}

sluice_column sluice_less(sluice_column left, sluice_column right) {
  return (sluice_column){sluice_import_less(left.handle, right.handle)};
}

sluice_column sluice_less_or_equal(sluice_column left, sluice_column right) {
  return (sluice_column){sluice_import_less_or_equal(left.handle, right.handle)};
}

sluice_column sluice_greater(sluice_column left, sluice_column right) {
  return (sluice_column){sluice_import_greater(left.handle, right.handle)};
}

sluice_column sluice_greater_or_equal(sluice_column left, sluice_column right) {
  return (sluice_column){sluice_import_greater_or_equal(left.handle, right.handle)};
}

sluice_column sluice_is_in(sluice_column of, const char *const *values, size_t count) {
  sluice_list *lists = sluice_lists_of(values, count);
  return (sluice_column){sluice_import_is_in(of.handle, lists, count)};
}

sluice_column sluice_is_null(sluice_column of) { return (sluice_column){sluice_import_is_null(of.handle)}; }

sluice_column sluice_both(sluice_column left, sluice_column right) {
  return (sluice_column){sluice_import_both(left.handle, right.handle)};
}

sluice_column sluice_either(sluice_column left, sluice_column right) {
  return (sluice_column){sluice_import_either(left.handle, right.handle)};
}

sluice_column sluice_negate(sluice_column of) { return (sluice_column){sluice_import_negate(of.handle)}; }

sluice_column sluice_coalesce(const sluice_column *choices, size_t count) {
  return (sluice_column){sluice_import_coalesce(choices, count)};
}

sluice_column sluice_choose(sluice_column condition, sluice_column then, sluice_column otherwise) {
  return (sluice_column){sluice_import_choose(condition.handle, then.handle, otherwise.handle)};
}

sluice_column sluice_filter(sluice_column of, sluice_column condition) {
  return (sluice_column){sluice_import_filter(of.handle, condition.handle)};
}

sluice_column sluice_take(sluice_column of, sluice_column rows) {
  return (sluice_column){sluice_import_take(of.handle, rows.handle)};
}
