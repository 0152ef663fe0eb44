// Lets the workload read but not write: every method but GET and HEAD is refused, and noted in the log.

#include "text.h"

bool exports_guest_on_request(guest_request_head_t *request, guest_action_t *action, guest_string_t *error) {
  *action = (guest_action_t){.tag = EGRESS_HANDLER_FILTERING_ACTION_PASS};
  if (!text_is(request->method, "GET") && !text_is(request->method, "HEAD")) {
    egress_handler_context_info_t who;
    egress_handler_context_current(&who);
    guest_string_t message = text("%.*s tried %.*s %.*s%.*s", TEXT(who.container_id), TEXT(request->method),
                                  TEXT(request->authority), TEXT(request->path));
    egress_handler_log_write(EGRESS_HANDLER_TYPES_LEVEL_INFO, &message);
    guest_string_free(&message);
    egress_handler_context_info_free(&who);
    action->tag = EGRESS_HANDLER_FILTERING_ACTION_DENY;
    action->val.deny.is_some = true;
    action->val.deny.val = text("only reading is allowed here");
  }
  guest_request_head_free(request);
  return true;
}
