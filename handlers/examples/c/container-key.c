// Gives every instance its own key: the one that the key-value store KEYS holds under the instance's id. Requests of an
// instance that has none are refused.

#include "handler.h"

// The key of this instance; `is_some` is false if it has none.
static bool key_of_this(guest_option_list_u8_t *key) {
  guest_string_t name = text_borrowed("KEYS");
  wasi_keyvalue_store_own_bucket_t keys;
  wasi_keyvalue_store_error_t failed;
  bool fine = wasi_keyvalue_store_open(&name, &keys, &failed);
  if (fine) {
    egress_handler_context_info_t who;
    egress_handler_context_current(&who);
    fine = wasi_keyvalue_store_method_bucket_get(wasi_keyvalue_store_borrow_bucket(keys), &who.container_id, key, &failed);
    egress_handler_context_info_free(&who);
    wasi_keyvalue_store_bucket_drop_own(keys);
  }
  if (!fine) wasi_keyvalue_store_error_free(&failed);
  return fine;
}

bool exports_guest_handle(guest_request_t *request, guest_response_t *response, guest_string_t *error) {
  guest_option_list_u8_t key;
  if (!key_of_this(&key)) {
    guest_request_free(request);
    *error = text("KEYS cannot be read");
    return false;
  }
  if (!key.is_some) {
    guest_request_free(request);
    *response = response_of(403, "text/plain", text("this container has no key\n"));
    return true;
  }
  header_set(&request->headers, "x-api-key", (guest_string_t){key.val.ptr, key.val.len});
  return fetch(request, response, error);
}
