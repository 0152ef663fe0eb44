// Takes e-mail addresses out of text responses before the workload sees them. Other responses go through unread.
//
// The text is streamed: what is held back is only a word that may go on in the next chunk.

#include <ctype.h>

#include "handler.h"

#define CHUNK 65536
#define LONGEST 320  // bytes; no address is longer, so that a longer word is passed on

typedef struct {
  uint8_t word[LONGEST];
  size_t word_len;
  guest_list_u8_t clean;  // what is ready to be passed on
  size_t room;
} redaction_t;

static bool is_address(const uint8_t *word, size_t len) {
  const uint8_t *at = memchr(word, '@', len);
  return at != NULL && at > word && memchr(at, '.', (size_t)(word + len - at)) != NULL;
}

static void append(redaction_t *r, const void *bytes, size_t len) {
  if (r->room - r->clean.len < len) {
    r->room = 2 * r->room + CHUNK;
    r->clean.ptr = text_memory(r->clean.ptr, r->room);
  }
  memcpy(r->clean.ptr + r->clean.len, bytes, len);
  r->clean.len += len;
}

static void end_word(redaction_t *r) {
  if (is_address(r->word, r->word_len)) append(r, "[redacted]", strlen("[redacted]"));
  else append(r, r->word, r->word_len);
  r->word_len = 0;
}

static void take(redaction_t *r, const uint8_t *bytes, size_t len) {
  for (size_t n = 0; n < len; n++) {
    bool part = isalnum(bytes[n]) || (bytes[n] != 0 && strchr(".+_-@", bytes[n]) != NULL);
    if (part && r->word_len < LONGEST) {
      r->word[r->word_len++] = bytes[n];
    } else {
      end_word(r);
      append(r, &bytes[n], 1);
    }
  }
}

// Writes what is clean, and forgets it.
static bool flush(redaction_t *r, egress_handler_http_own_sink_t sink, guest_string_t *error) {
  guest_list_u8_t bytes = r->clean;
  r->clean.len = 0;
  return bytes.len == 0 || egress_handler_http_method_sink_write(egress_handler_http_borrow_sink(sink), &bytes, error);
}

static bool stream(egress_handler_types_own_body_t from, egress_handler_http_own_sink_t sink, guest_string_t *error) {
  redaction_t r = {0};
  guest_list_u8_t chunk;
  bool fine;
  while ((fine = egress_handler_types_method_body_read(egress_handler_types_borrow_body(from), CHUNK, &chunk, error)) &&
         chunk.len > 0) {
    take(&r, chunk.ptr, chunk.len);
    guest_list_u8_free(&chunk);
    if (!(fine = flush(&r, sink, error))) break;
  }
  if (fine) {
    end_word(&r);
    fine = flush(&r, sink, error) && egress_handler_http_method_sink_finish(egress_handler_http_borrow_sink(sink), error);
  }
  free(r.clean.ptr);
  return fine;
}

static void redact_whole(guest_list_u8_t *bytes) {
  redaction_t r = {0};
  take(&r, bytes->ptr, bytes->len);
  end_word(&r);
  guest_list_u8_free(bytes);
  *bytes = r.clean;
}

static bool is_text(guest_response_t *response) {
  guest_string_t *type = header_value(&response->headers, "content-type");
  return type != NULL && (text_begins(*type, "text/") || text_begins(*type, "application/json"));
}

bool exports_guest_handle(guest_request_t *request, guest_response_t *response, guest_string_t *error) {
  // Compressed text could not be searched.
  header_set(&request->headers, "accept-encoding", text("identity"));
  if (!fetch(request, response, error)) return false;
  if (!is_text(response) || response->body.tag == EGRESS_HANDLER_TYPES_PAYLOAD_EMPTY) return true;
  if (header_value(&response->headers, "content-encoding") != NULL) {
    guest_response_free(response);
    *error = text("the text is compressed although that was not asked for");
    return false;
  }
  if (response->body.tag == EGRESS_HANDLER_TYPES_PAYLOAD_BYTES) {
    redact_whole(&response->body.val.bytes);
    return true;
  }
  egress_handler_types_own_body_t from = response->body.val.stream;
  egress_handler_http_tuple2_own_sink_own_body_t pipe;
  egress_handler_http_pipe(&pipe);
  response->body.val.stream = pipe.f1;
  bool fine = egress_handler_http_respond(response, error);
  // Answered: from here on only whether it failed is of interest.
  response->body.tag = EGRESS_HANDLER_TYPES_PAYLOAD_EMPTY;
  fine = fine && stream(from, pipe.f0, error);
  egress_handler_types_body_drop_own(from);
  egress_handler_http_sink_drop_own(pipe.f0);
  if (!fine) guest_response_free(response);
  return fine;
}
