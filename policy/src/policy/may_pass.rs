//! Whether anything may pass to a place.
//!
//! Asked again while a connection is being opened, when it is not known yet, or no longer, which request it is for: the answer is
//! the best that any of them could get.

use super::Policy;
use crate::{
    Authority, Decision, Scheme,
    condition::Message,
    index::{Asked, Question},
};

impl Policy {
    /// Whether some request of this scheme for `to` could pass; without a scheme, bytes of any kind.
    pub fn may_pass(&self, scheme: Option<Scheme>, to: &Authority) -> bool {
        match scheme {
            None => self.judge_raw(&to.host, to.port).is_ok(),
            Some(_) => {
                let asked = Asked { scheme, port: to.port };
                let question = Question { host: &to.host, asked, message: Message::Best };
                matches!(self.decide_question(question, &mut |_, _| {}), Decision::Forward { .. })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Document, Overrides};

    #[test]
    fn requests_and_bytes_of_any_kind() {
        let document = "allowedHosts: ['https://a.test', h.test]\nraw: ['a.test:22', '192.0.2.7:22']\n\
                        outboundByHost: {h.test: h}\nhandlers: {h: {respond: {}}}\ndeniedHosts: ['192.0.2.7']";
        let policy = Policy::compile(&Document::parse(document).unwrap(), &Overrides::default());
        for (scheme, authority, expected) in [
            (Some(Scheme::Https), "a.test", true),
            (Some(Scheme::Https), "a.test:8443", true),
            (Some(Scheme::Http), "a.test", false),
            (Some(Scheme::Http), "h.test", true),
            (Some(Scheme::Https), "b.test", false),
            (None, "a.test:22", true),
            (None, "a.test:443", false),
            (None, "192.0.2.7:22", false),
        ] {
            let to = Authority::parse(authority, Scheme::Https).unwrap();
            assert_eq!(policy.may_pass(scheme, &to), expected, "{scheme:?} {authority}");
        }
    }
}
