//! Which requests may carry which secrets.
