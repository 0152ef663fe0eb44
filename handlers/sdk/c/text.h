// Strings and headers in the shape that the generated bindings give and take. For handlers and filters.
//
// What a function of yours is given belongs to it, and is to be freed; what it returns is freed after it returned, so
// that it has to be on the heap. Everything made here is.

#ifndef EGRESS_TEXT_H
#define EGRESS_TEXT_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"

// Memory for `size` bytes. A component that gets none ends here: the workload sees 502.
static inline void *text_memory(void *old, size_t size) {
  void *memory = realloc(old, size);
  if (memory == NULL && size > 0) abort();
  return memory;
}

// A string made as by printf. Strings of the bindings do not end in 0: write `%.*s` and TEXT(string).
#define TEXT(string) (int)(string).len, (const char *)(string).ptr
static inline __attribute__((format(printf, 1, 2))) guest_string_t text(const char *format, ...) {
  va_list first, second;
  va_start(first, format);
  va_copy(second, first);
  int len = vsnprintf(NULL, 0, format, first);
  va_end(first);
  if (len < 0) abort();
  char *memory = text_memory(NULL, (size_t)len + 1);
  vsnprintf(memory, (size_t)len + 1, format, second);
  va_end(second);
  return (guest_string_t){(uint8_t *)memory, (size_t)len};
}

// A string that lives elsewhere: for arguments of imports, never for what is returned.
static inline guest_string_t text_borrowed(const char *c) {
  return (guest_string_t){(uint8_t *)c, strlen(c)};
}

static inline bool text_is(guest_string_t string, const char *c) {
  return string.len == strlen(c) && memcmp(string.ptr, c, string.len) == 0;
}

static inline bool text_begins(guest_string_t string, const char *c) {
  return string.len >= strlen(c) && memcmp(string.ptr, c, strlen(c)) == 0;
}

// The first value of this name (lower case), or NULL.
static inline guest_string_t *header_value(egress_handler_types_headers_t *headers, const char *name) {
  for (size_t n = 0; n < headers->len; n++)
    if (text_is(headers->ptr[n].f0, name)) return &headers->ptr[n].f1;
  return NULL;
}

static inline void header_remove(egress_handler_types_headers_t *headers, const char *name) {
  size_t kept = 0;
  for (size_t n = 0; n < headers->len; n++) {
    if (text_is(headers->ptr[n].f0, name)) {
      guest_string_free(&headers->ptr[n].f0);
      guest_string_free(&headers->ptr[n].f1);
    } else {
      headers->ptr[kept++] = headers->ptr[n];
    }
  }
  headers->len = kept;
}

// Takes all values of this name away and gives it this one, which the headers own from now on.
static inline void header_set(egress_handler_types_headers_t *headers, const char *name, guest_string_t value) {
  header_remove(headers, name);
  headers->ptr = text_memory(headers->ptr, (headers->len + 1) * sizeof *headers->ptr);
  headers->ptr[headers->len++] = (guest_tuple2_string_string_t){text("%s", name), value};
}

#endif
