// Adds a token to every request that this filter is bound to. The policy says for which hosts that is, and grants the
// secret named API_TOKEN; the workload never sees it, and whatever it sent under that name goes first.

#include "text.h"

bool exports_guest_on_request(guest_request_head_t *request, guest_action_t *action, guest_string_t *error) {
  guest_request_head_free(request);
  guest_string_t name = text_borrowed("API_TOKEN"), token;
  if (!egress_handler_secrets_get(&name, &token)) {
    *error = text("API_TOKEN is not granted");
    return false;
  }
  *action = (guest_action_t){.tag = EGRESS_HANDLER_FILTERING_ACTION_FORWARD};
  header_set(&action->val.forward.set, "authorization", text("Bearer %.*s", TEXT(token)));
  guest_string_free(&token);
  return true;
}
