//! HTTPS and SVCB records (RFC 9460), made anew. Receives one as its domain published it, hands on what may be known of
//! it inside: which server, which port, which protocols. No ECH, since the name of a TLS connection must be readable
//! here; no address hints, since addresses are judged one by one; no HTTP/3, which cannot get out.

use hickory_proto::rr::rdata::{
    SVCB,
    svcb::{Alpn, SvcParamKey, SvcParamValue},
};

/// The record to answer with; none if it must not be used by clients that do not understand what was taken away.
pub(super) fn rebuild(record: &SVCB) -> Option<SVCB> {
    let mut parameters = Vec::new();
    for (key, value) in &record.svc_params {
        match value {
            SvcParamValue::Port(_) | SvcParamValue::NoDefaultAlpn => parameters.push((*key, value.clone())),
            SvcParamValue::Alpn(Alpn(ids)) => {
                let ids: Vec<String> = ids.iter().filter(|id| !is_udp(id)).cloned().collect();
                if ids.is_empty() && !has(record, SvcParamKey::NoDefaultAlpn) {
                    continue;
                }
                // Only protocols that cannot get out, and not even the default ones.
                if ids.is_empty() {
                    return None;
                }
                parameters.push((*key, SvcParamValue::Alpn(Alpn(ids))));
            }
            // RFC 9460, 8.
            SvcParamValue::Mandatory(mandatory) if !mandatory.0.iter().all(|key| stays(*key)) => return None,
            _ => {}
        }
    }
    Some(SVCB::new(record.svc_priority, record.target_name.clone(), parameters))
}

fn stays(key: SvcParamKey) -> bool {
    matches!(key, SvcParamKey::Alpn | SvcParamKey::NoDefaultAlpn | SvcParamKey::Port)
}

fn has(record: &SVCB, wanted: SvcParamKey) -> bool {
    record.svc_params.iter().any(|(key, _)| *key == wanted)
}

/// HTTP/3 and its drafts, DNS over QUIC, QUIC by itself.
fn is_udp(id: &str) -> bool {
    ["h3", "hq", "doq", "quic"].iter().any(|start| id.starts_with(start))
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use hickory_proto::rr::{
        Name,
        rdata::svcb::{EchConfigList, IpHint, Mandatory, Unknown},
    };

    use super::*;

    fn alpn(ids: &[&str]) -> (SvcParamKey, SvcParamValue) {
        (SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(ids.iter().map(ToString::to_string).collect())))
    }

    #[test]
    fn what_stays() {
        let port = (SvcParamKey::Port, SvcParamValue::Port(8443));
        let no_default = (SvcParamKey::NoDefaultAlpn, SvcParamValue::NoDefaultAlpn);
        let ech = (SvcParamKey::EchConfigList, SvcParamValue::EchConfigList(EchConfigList(vec![1, 2, 3])));
        let hint = (SvcParamKey::Ipv4Hint, SvcParamValue::Ipv4Hint(IpHint(Vec::new())));
        let other = (SvcParamKey::Unknown(7), SvcParamValue::Unknown(Unknown(vec![1])));
        let must = |keys: &[SvcParamKey]| {
            (SvcParamKey::Mandatory, SvcParamValue::Mandatory(Mandatory(keys.to_vec())))
        };
        for (parameters, expected) in [
            (vec![], Some(vec![])),
            (vec![port.clone(), ech.clone(), hint, other], Some(vec![port.clone()])),
            (vec![alpn(&["h3", "h2", "h3-29", "http/1.1"])], Some(vec![alpn(&["h2", "http/1.1"])])),
            (vec![alpn(&["h3"])], Some(vec![])),
            (vec![alpn(&["h3"]), no_default.clone()], None),
            (vec![alpn(&["h2", "h3"]), no_default.clone()], Some(vec![alpn(&["h2"]), no_default])),
            (vec![must(&[SvcParamKey::Port]), port.clone()], Some(vec![port.clone()])),
            (vec![must(&[SvcParamKey::EchConfigList]), port, ech], None),
        ] {
            let target = Name::from_str("b.test.").unwrap();
            let rebuilt = rebuild(&SVCB::new(1, target.clone(), parameters.clone()));
            let expected = expected.map(|parameters| SVCB::new(1, target, parameters));
            assert_eq!(rebuilt, expected, "{parameters:?}");
        }
    }
}
