//! What an attempt's outcome means. Pure: receives what was expected, what the probe inside saw, and whether the proxy's listeners
//! got it; hands on the status, what to say, and what to do about it.

use std::{io, time::Duration};

use serde::{Deserialize, Serialize};

use super::Status;

/// A refusal within this time costs a client nothing that it would notice.
const AT_ONCE: Duration = Duration::from_secs(1);
const NOT_SEALED: &str =
    "the network is not sealed on this machine: run nothing untrusted, and report this with `uname -a`";
const NOT_CAPTURED: &str = "load what TPROXY needs: `modprobe -a nf_tables nft_tproxy nft_reject_inet`";
const SLOW: &str = "nothing leaves, but clients wait: is `nft_reject_inet` there?";

/// What ought to become of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    /// It arrives at the proxy, for the address that was meant, and the proxy's answer comes back.
    Captured,
    /// It fails at once, and nothing arrives anywhere.
    Refused,
    /// It fails, is lost, or arrives at the proxy: whoever has every capability may harm himself, and nobody else.
    Contained,
}

/// What the probe inside saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// Something answered, or the call did what it must not.
    Answered,
    /// The error's number.
    Refused(i32),
    /// No answer within the time.
    Silent,
}

/// What came back to the listeners of the proxy's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    Arrived,
    Absent,
}

/// Status, text and, unless all is well, the cure.
pub(super) type Verdict = (Status, String, Option<&'static str>);

pub(super) fn judge(expect: Expect, outcome: Outcome, took: Duration, arrival: Arrival) -> Verdict {
    match (expect, outcome, arrival) {
        (Expect::Captured | Expect::Contained, Outcome::Answered, Arrival::Arrived) => {
            ok("arrives at the proxy")
        }
        (_, Outcome::Answered, _) => fail("it worked, and not by way of the proxy", NOT_SEALED),
        (Expect::Captured, outcome, Arrival::Arrived) => fail(
            format!("arrives at the proxy, but its answer does not come back: {}", told(outcome)),
            NOT_CAPTURED,
        ),
        (Expect::Captured, Outcome::Refused(errno), Arrival::Absent) if is_unknown(errno) => {
            (Status::NotApplicable, format!("this kernel has none: {}", told(outcome)), None)
        }
        (Expect::Captured, outcome, Arrival::Absent) => {
            fail(format!("does not arrive at the proxy: {}", told(outcome)), NOT_CAPTURED)
        }
        (Expect::Refused, _, Arrival::Arrived) => {
            fail("arrives at the proxy, which must not see it", NOT_SEALED)
        }
        (Expect::Refused, Outcome::Refused(_), Arrival::Absent) if took < AT_ONCE => {
            ok(format!("refused at once: {}", told(outcome)))
        }
        (Expect::Refused, outcome, Arrival::Absent) => (
            Status::Warn,
            format!("leads nowhere, after {} ms: {}", took.as_millis(), told(outcome)),
            Some(SLOW),
        ),
        (Expect::Contained, outcome, _) => ok(format!("leads nowhere: {}", told(outcome))),
    }
}

fn ok(text: impl Into<String>) -> Verdict {
    (Status::Ok, text.into(), None)
}

fn fail(text: impl Into<String>, fix: &'static str) -> Verdict {
    (Status::Fail, text.into(), Some(fix))
}

/// The kernel was built without this protocol.
fn is_unknown(errno: i32) -> bool {
    matches!(errno, libc::EPROTONOSUPPORT | libc::ENOPROTOOPT | libc::ESOCKTNOSUPPORT)
}

fn told(outcome: Outcome) -> String {
    match outcome {
        Outcome::Answered => "an answer".into(),
        Outcome::Refused(errno) => io::Error::from_raw_os_error(errno).to_string(),
        Outcome::Silent => "silence".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_outcome_means() {
        use Arrival::{Absent, Arrived};
        use Expect::{Captured, Contained, Refused};
        use Outcome::{Answered, Silent};
        let no = Outcome::Refused(libc::EPERM);
        let unknown = Outcome::Refused(libc::EPROTONOSUPPORT);
        for (expect, outcome, millis, arrival, expected) in [
            (Captured, Answered, 1, Arrived, Status::Ok),
            (Captured, Answered, 1, Absent, Status::Fail),
            (Captured, Silent, 1000, Arrived, Status::Fail),
            (Captured, no, 1, Arrived, Status::Fail),
            (Captured, no, 1, Absent, Status::Fail),
            (Captured, Silent, 1000, Absent, Status::Fail),
            (Captured, unknown, 1, Absent, Status::NotApplicable),
            (Refused, no, 1, Absent, Status::Ok),
            (Refused, unknown, 999, Absent, Status::Ok),
            (Refused, no, 1000, Absent, Status::Warn),
            (Refused, Silent, 1, Absent, Status::Warn),
            (Refused, no, 1, Arrived, Status::Fail),
            (Refused, Silent, 1000, Arrived, Status::Fail),
            (Refused, Answered, 1, Absent, Status::Fail),
            (Refused, Answered, 1, Arrived, Status::Fail),
            (Contained, no, 2000, Absent, Status::Ok),
            (Contained, Silent, 2000, Absent, Status::Ok),
            (Contained, Silent, 2000, Arrived, Status::Ok),
            (Contained, Answered, 1, Arrived, Status::Ok),
            (Contained, Answered, 1, Absent, Status::Fail),
        ] {
            let (status, text, fix) = judge(expect, outcome, Duration::from_millis(millis), arrival);
            assert_eq!(status, expected, "{expect:?} {outcome:?} {millis} ms {arrival:?}: {text}");
            let needs_cure = matches!(status, Status::Warn | Status::Fail);
            assert_eq!(fix.is_some(), needs_cure, "{text}");
        }
    }
}
