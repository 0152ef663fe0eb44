// A host that does not exist: `/whoami` tells the workload who it is, everything else is 404. Nothing is fetched.

#include "handler.h"

bool exports_guest_handle(guest_request_t *request, guest_response_t *response, guest_string_t *error) {
  if (text_is(request->path, "/whoami") || text_begins(request->path, "/whoami?")) {
    egress_handler_context_info_t who;
    egress_handler_context_current(&who);
    // The policy allows neither quotes nor backslashes in ids and class names.
    guest_string_t body = text("{\"id\":\"%.*s\",\"class\":\"%.*s\"}", TEXT(who.container_id), TEXT(who.class_name));
    egress_handler_context_info_free(&who);
    *response = response_of(200, "application/json", body);
  } else {
    *response = response_of(404, "text/plain", text("no such page\n"));
  }
  guest_request_free(request);
  return true;
}
