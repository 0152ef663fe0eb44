//! What an instance counts, in Prometheus' text format 0.0.4: for whoever watches many of them. Receives an instance, hands on the
//! text. Every sample has the same two labels, so that files of several instances can lie side by side; those of handlers have more. Their
//! number is that of the policy's handlers: nothing that a workload says becomes a label. docs/operating.md describes each.

use std::{
    fmt::{Display, Write},
    sync::atomic::Ordering::Relaxed,
    time::SystemTime,
};

use handlers::Handler;

use crate::instance::Instance;

/// The version of the format is part of it.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn text(instance: &Instance) -> String {
    let labels = format!("instance=\"{}\",class=\"{}\"", escaped(&instance.id), escaped(&instance.class));
    let began = instance.began.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (changes, records) = (&instance.changes, &instance.records);
    let mut text = String::new();
    let mut add = |name: &str, kind: &str, help: &str, value: &dyn Display| {
        let name = format!("proxy_everything_{name}");
        let version = match name.ends_with("_build_info") {
            true => format!(",version=\"{}\"", env!("CARGO_PKG_VERSION")),
            false => String::new(),
        };
        // Writing to a text cannot fail.
        let _ =
            write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name}{{{labels}{version}}} {value}\n");
    };
    let (gauge, counter) = ("gauge", "counter");
    add("build_info", gauge, "Always 1; the version is a label.", &1);
    add("start_time_seconds", gauge, "When this process began to serve the instance.", &began.as_secs_f64());
    add("policy_generation", gauge, "The generation in force.", &instance.current().number());
    add("policy_changes_accepted_total", counter, "Changes put in force.", &changes.accepted());
    add("policy_changes_refused_total", counter, "Changes that were faulty.", &changes.refused());
    let fault = u8::from(changes.fault().is_some());
    add("policy_fault", gauge, "1 while the last change is a faulty one.", &fault);
    add("connections_total", counter, "TCP connections of the workload.", &instance.connections());
    add("requests_total", counter, "Requests of the workload.", &instance.requests());
    let (written, lost) = (records.written.load(Relaxed), records.lost.load(Relaxed));
    add("audit_records_written_total", counter, "Audit records that were written.", &written);
    add("audit_records_lost_total", counter, "Audit records that could not be written.", &lost);
    let (strays, scrubbed) = (instance.leaks.strays.load(Relaxed), instance.leaks.scrubbed.load(Relaxed));
    add(
        "placeholder_strays_total",
        counter,
        "Requests with a placeholder where its secret must not go.",
        &strays,
    );
    add(
        "secret_scrubs_total",
        counter,
        "Responses from which the value of a secret was taken out.",
        &scrubbed,
    );
    let failing = u8::from(instance.audit.is_failing());
    add("audit_failing", gauge, "1 while audit records cannot be written and nothing passes.", &failing);
    text + &of_handlers(instance, &labels)
}

/// The samples of handlers that are components.
fn of_handlers(instance: &Instance, labels: &str) -> String {
    let (mut calls, mut faults) = (String::new(), String::new());
    let prefix = "proxy_everything_handler";
    for named in instance.current().handlers() {
        let Handler::Script(script) = &named.handler else { continue };
        let labels = format!("{labels},handler=\"{}\"", escaped(&named.name));
        let counts = script.counts();
        // Writing to a text cannot fail.
        let _ = writeln!(calls, "{prefix}_calls_total{{{labels}}} {}", counts.calls());
        for (kind, count) in counts.faults() {
            let _ = writeln!(faults, "{prefix}_faults_total{{{labels},kind=\"{kind}\"}} {count}");
        }
    }
    let family = |name: &str, help: &str, samples: &str| match samples {
        "" => String::new(),
        samples => format!("# HELP {prefix}_{name} {help}\n# TYPE {prefix}_{name} counter\n{samples}"),
    };
    family("calls_total", "Calls of a component.", &calls)
        + &family("faults_total", "Calls of a component that failed.", &faults)
}

/// A label's value: the format has three escapes.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_cannot_break_out_of_its_label() {
        assert_eq!(escaped("a\"} 1\nb\\"), "a\\\"} 1\\nb\\\\");
    }
}
