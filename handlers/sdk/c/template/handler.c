// Adds the token to what may be read, and refuses the rest.
//
// The workload never sees the token: it is added here, after the policy has let the request pass.

#include "handler.h"

bool exports_guest_handle(guest_request_t *request, guest_response_t *response, guest_string_t *error) {
  if (!text_is(request->method, "GET")) {
    guest_string_t line = text("%.*s %.*s://%.*s%.*s was refused", TEXT(request->method), TEXT(request->scheme),
                               TEXT(request->authority), TEXT(request->path));
    egress_handler_log_write(EGRESS_HANDLER_TYPES_LEVEL_WARN, &line);
    guest_string_free(&line);
    *response = response_of(405, "text/plain", text("only reading is allowed\n"));
    guest_request_free(request);
    return true;
  }
  guest_string_t name = text_borrowed("API_TOKEN"), token;
  if (!egress_handler_secrets_get(&name, &token)) {
    *error = text("API_TOKEN is not granted");
    guest_request_free(request);
    return false;
  }
  header_set(&request->headers, "authorization", text("Bearer %.*s", TEXT(token)));
  guest_string_free(&token);
  return fetch(request, response, error);
}
