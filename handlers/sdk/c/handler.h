// What handlers need besides: fetching, and making responses. Not for filters.

#ifndef EGRESS_HANDLER_H
#define EGRESS_HANDLER_H

#include "text.h"

// Frees a request whose body, if it is a stream, went elsewhere.
static inline void request_free_head(guest_request_t *request) {
  if (request->body.tag == EGRESS_HANDLER_TYPES_PAYLOAD_STREAM) request->body.tag = EGRESS_HANDLER_TYPES_PAYLOAD_EMPTY;
  guest_request_free(request);
}

// Sends the request onward, which it takes, and waits for the response. False means that `error` says why not.
static inline bool fetch(guest_request_t *request, guest_response_t *response, guest_string_t *error) {
  egress_handler_http_list_request_t requests = {request, 1};
  egress_handler_http_list_result_response_string_t results;
  egress_handler_http_fetch(&requests, &results);
  request_free_head(request);
  bool fine = !results.ptr[0].is_err;
  if (fine) *response = results.ptr[0].val.ok;
  else *error = results.ptr[0].val.err;
  free(results.ptr);
  return fine;
}

// A response of this type, with a body that it takes.
static inline guest_response_t response_of(uint16_t status, const char *type, guest_string_t body) {
  guest_response_t response = {.status = status};
  header_set(&response.headers, "content-type", text("%s", type));
  response.body.tag = EGRESS_HANDLER_TYPES_PAYLOAD_BYTES;
  response.body.val.bytes = (guest_list_u8_t){body.ptr, body.len};
  return response;
}

#endif
