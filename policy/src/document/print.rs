//! Rules as a document spells them. Receives typed values, hands on JSON; what is printed here and read again is the same.
//! Origins are not printed: where a rule stood says nothing of what it does.

use serde_json::{Map, Value, json};

use super::{Answer, Enforcement, Entry, Route};
use crate::Condition;

/// Rules by pattern, as `outboundByHost` spells them, in their order, which a map of JSON values would not keep. Rules with one
/// pattern stand together.
pub(crate) fn routes_to_json(routes: &[Route]) -> String {
    let same = |one: &Route, other: &Route| one.entry.pattern == other.entry.pattern;
    let member = |rules: &[Route]| {
        let pattern = rules.first().map(|rule| rule.entry.pattern.to_string()).unwrap_or_default();
        format!("{}:{}", Value::from(pattern), rules.iter().map(Route::to_json).collect::<Value>())
    };
    format!("{{{}}}", routes.chunk_by(same).map(member).collect::<Vec<_>>().join(","))
}

impl Entry {
    /// As a document spells it.
    pub fn to_json(&self) -> Value {
        let Self { pattern, condition, name, answer, enforcement, origin: _ } = self;
        let mut keys = Map::new();
        condition.print(&mut keys);
        keys.extend(name.as_ref().map(|name| ("name".into(), json!(**name))));
        keys.extend(answer.as_ref().map(|answer| ("answer".into(), answer.to_json())));
        if *enforcement == Enforcement::Monitor {
            keys.insert("monitor".into(), json!(true));
        }
        if keys.is_empty() {
            return json!(pattern.to_string());
        }
        keys.insert("host".into(), json!(pattern.to_string()));
        Value::Object(keys)
    }
}

impl Route {
    /// As a document spells it, without the pattern.
    pub fn to_json(&self) -> Value {
        let mut keys = Map::new();
        keys.insert("handlers".into(), json!(self.handlers));
        keys.extend(self.params.as_ref().map(|params| ("params".into(), params.clone())));
        self.entry.condition.print(&mut keys);
        keys.extend(self.entry.name.as_ref().map(|name| ("name".into(), json!(**name))));
        Value::Object(keys)
    }
}

impl Condition {
    fn print(&self, keys: &mut Map<String, Value>) {
        if !self.methods.is_empty() {
            keys.insert("methods".into(), json!(self.methods));
        }
        if !self.paths.is_empty() {
            keys.insert("paths".into(), self.paths.iter().map(|path| path.as_str()).collect());
        }
    }
}

impl Answer {
    /// As a document spells it.
    pub fn to_json(&self) -> Value {
        let headers: Map<String, Value> =
            self.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({ "status": self.status, "headers": headers, "body": self.body })
    }
}
