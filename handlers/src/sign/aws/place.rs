//! For which region and service a request is signed, when its handler does not say.
//!
//! Receives the signature that the workload made itself, with whatever keys, and the name of the host; hands on what they say.
//! A wrong answer does no harm: the signature is good for nothing then.

use http::{HeaderMap, header::AUTHORIZATION};

use super::{super::SignError, key::ALGORITHM, target::Query};

/// A region and a service, as far as they are known.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) region: Option<String>,
    pub(super) service: Option<String>,
}

/// What hosts' names end with.
const SUFFIXES: [&str; 5] = [".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws", ".on.aws"];

/// Services whose hosts have other names than their signatures.
const OTHER_NAMES: [(&str, &str); 27] = [
    ("api.tunneling.iot", "IoTSecuredTunneling"),
    ("appconfigdata", "appconfig"),
    ("appstream2", "appstream"),
    ("appsync-api", "appsync"),
    ("bedrock-agent", "bedrock"),
    ("bedrock-agent-runtime", "bedrock"),
    ("bedrock-agentcore-control", "bedrock-agentcore"),
    ("bedrock-data-automation", "bedrock"),
    ("bedrock-data-automation-runtime", "bedrock"),
    ("bedrock-runtime", "bedrock"),
    ("cloudhsmv2", "cloudhsm"),
    ("data-ats.iot", "iotdata"),
    ("data.iot", "iotdata"),
    ("data.iotevents", "ioteventsdata"),
    ("data.jobs.iot", "iot-jobs-data"),
    ("email", "ses"),
    ("email-smtp", "ses"),
    ("lambda-url", "lambda"),
    ("memory-db", "memorydb"),
    ("oidc", "sso-oauth"),
    ("participant.connect", "execute-api"),
    ("personalize-events", "personalize"),
    ("personalize-runtime", "personalize"),
    ("pinpoint", "mobiletargeting"),
    ("portal.sso", "awsssoportal"),
    ("queue", "sqs"),
    ("s3-control", "s3"),
];

/// The scope of the workload's own signature, in the header or in the query.
pub(super) fn claimed(headers: &HeaderMap, query: &Query) -> Result<Known, SignError> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let algorithm = query.get("X-Amz-Algorithm").unwrap_or_default();
    if header.starts_with("AWS4-ECDSA-") || algorithm.starts_with("AWS4-ECDSA-") {
        return Err(SignError::Unsupported("signing for several regions (Signature Version 4A)"));
    }
    let of_query = query.get("X-Amz-Credential");
    let of_header = || {
        let fields = header.strip_prefix(ALGORITHM)?.split([',', ' ']);
        fields.map(str::trim).find_map(|field| field.strip_prefix("Credential=")).map(str::to_owned)
    };
    Ok(of_query.or_else(of_header).and_then(|credential| scope(&credential)).unwrap_or_default())
}

/// `<access key>/<day>/<region>/<service>/aws4_request`
fn scope(credential: &str) -> Option<Known> {
    let mut parts = credential.rsplit('/');
    if parts.next() != Some("aws4_request") {
        return None;
    }
    let [service, region] = [parts.next()?, parts.next()?];
    let named = |name: &str| is_name(name).then(|| name.to_owned());
    Some(Known { region: named(region), service: named(service) })
}

/// What a host's name says.
pub(super) fn of_host(host: &str) -> Known {
    let Some(prefix) = SUFFIXES.iter().find_map(|suffix| host.strip_suffix(suffix)) else {
        return Known::default();
    };
    let labels: Vec<&str> = prefix.split('.').collect();
    let (region, labels) = match labels.iter().rposition(|label| is_region(label)) {
        // Some have their own name behind the region.
        Some(at) => match labels.split_at(at) {
            (before, [region, "vpce"] | [region]) => (Some(*region), before),
            (_, [region, after @ ..]) => (Some(*region), after),
            (_, []) => (None, labels.as_slice()),
        },
        None => (None, labels.as_slice()),
    };
    let labels = labels.strip_suffix(&["dualstack"]).unwrap_or(labels);
    let name = labels.join(".");
    // S3's hosts of old: `s3-eu-west-1`.
    let old = labels.last().and_then(|label| label.strip_prefix("s3-")).filter(|rest| is_region(rest));
    if let Some(region) = old {
        return Known { region: Some(region.to_owned()), service: Some(String::from("s3")) };
    }
    let anywhere = !name.ends_with("s3-accelerate");
    let region = region.or_else(|| anywhere.then_some("us-east-1")).map(str::to_owned);
    let service = service(&name);
    Known { region, service: is_name(&service).then_some(service) }
}

/// A service by the name of its host, before the region.
fn service(name: &str) -> String {
    let name = name.strip_suffix("-fips").unwrap_or(name);
    let is =
        |known: &str| name.strip_suffix(known).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if let Some((_, service)) = OTHER_NAMES.iter().find(|(known, _)| is(known)) {
        return (*service).to_owned();
    }
    let label = name.rsplit('.').next().unwrap_or_default();
    let family = match label.rsplit('-').next() {
        Some("marketplace") => Some("aws-marketplace"),
        Some("chime") => Some("chime"),
        Some("lex") => Some("lex"),
        Some("accelerate") => Some("s3"),
        _ => None,
    };
    family.unwrap_or(label).to_owned()
}

/// `eu-west-1`, `us-gov-east-1`
fn is_region(label: &str) -> bool {
    let parts: Vec<&str> = label.split('-').collect();
    let letters = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    match parts.as_slice() {
        [area, middle @ .., number] => {
            (2..=4).contains(&area.len())
                && letters(area)
                && !middle.is_empty()
                && middle.iter().all(letters)
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    }
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_say_region_and_service() {
        for (host, region, service) in [
            ("dynamodb.eu-west-1.amazonaws.com", "eu-west-1", "dynamodb"),
            ("dynamodb-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1", "dynamodb"),
            ("s3.amazonaws.com", "us-east-1", "s3"),
            ("bucket.s3.amazonaws.com", "us-east-1", "s3"),
            ("my.bucket.s3.eu-west-3.amazonaws.com", "eu-west-3", "s3"),
            ("bucket.s3-ap-southeast-2.amazonaws.com", "ap-southeast-2", "s3"),
            ("bucket.s3.dualstack.eu-west-1.amazonaws.com", "eu-west-1", "s3"),
            ("bucket.bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com", "us-east-1", "s3"),
            ("s3.cn-north-1.amazonaws.com.cn", "cn-north-1", "s3"),
            ("123.s3-control.eu-west-1.amazonaws.com", "eu-west-1", "s3"),
            ("bucket.s3-accelerate.amazonaws.com", "", "s3"),
            ("iam.amazonaws.com", "us-east-1", "iam"),
            ("abc123.execute-api.eu-west-1.amazonaws.com", "eu-west-1", "execute-api"),
            ("abc123.lambda-url.eu-west-1.on.aws", "eu-west-1", "lambda"),
            ("ec2.eu-west-1.api.aws", "eu-west-1", "ec2"),
            ("search-x.eu-west-1.es.amazonaws.com", "eu-west-1", "es"),
            ("eu-west-1.queue.amazonaws.com", "eu-west-1", "sqs"),
            ("api.ecr.eu-west-1.amazonaws.com", "eu-west-1", "ecr"),
            ("notbedrock-runtime.eu-west-1.amazonaws.com", "eu-west-1", "notbedrock-runtime"),
            ("amazonaws.com", "", ""),
            ("evil-amazonaws.com", "", ""),
            ("s3.amazonaws.com.evil.test", "", ""),
            ("minio.internal", "", ""),
        ] {
            let said = |name: &str| (!name.is_empty()).then(|| name.to_owned());
            assert_eq!(of_host(host), Known { region: said(region), service: said(service) }, "{host}");
        }
    }

    #[test]
    fn scopes_are_read_from_headers_and_queries() {
        let known = |region: &str, service: &str| Known {
            region: Some(region.to_owned()),
            service: Some(service.to_owned()),
        };
        let header = "AWS4-HMAC-SHA256 Credential=A/K/20130524/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        for (header, query, expected) in [
            (header, "", known("eu-west-1", "s3")),
            (&header.replace(' ', "").replace("256C", "256 C"), "", known("eu-west-1", "s3")),
            ("", "X-Amz-Credential=AK%2F20130524%2Fa%2Fb%2Faws4_request", known("a", "b")),
            (header, "X-Amz-Credential=AK%2F20130524%2Fa%2Fb%2Faws4_request", known("a", "b")),
            ("AWS AK:signature", "", Known::default()),
            ("AWS4-HMAC-SHA256 Credential=AK/d/r/s/aws5_request", "", Known::default()),
            ("AWS4-HMAC-SHA256 Credential=aws4_request", "", Known::default()),
            ("Bearer x", "", Known::default()),
            (
                "AWS4-HMAC-SHA256 Credential=AK/d/r!/s/aws4_request",
                "",
                Known { service: Some("s".into()), region: None },
            ),
        ] {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, header.parse().unwrap())]);
            assert_eq!(claimed(&headers, &Query::parse(query)).unwrap(), expected, "{header} {query}");
        }
    }

    #[test]
    fn several_regions_are_not_signed_for() {
        let headers =
            HeaderMap::from_iter([(AUTHORIZATION, "AWS4-ECDSA-P256-SHA256 Credential=x".parse().unwrap())]);
        assert!(matches!(claimed(&headers, &Query::default()), Err(SignError::Unsupported(_))));
        let query = Query::parse("X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256");
        assert!(matches!(claimed(&HeaderMap::new(), &query), Err(SignError::Unsupported(_))));
    }
}
