//! Rules as a document spells them. Receives typed values, hands on JSON; what is printed here and read again is the same.
//! Origins are not printed: where a rule stood says nothing of what it does.

use serde_json::{Map, Value, json};

use super::{Answer, Enforcement, Entry, Route};
use crate::Condition;

/// Rules by pattern, as `outboundByHost` spells them: a list of mappings with one key each, as their order may count.
pub(crate) fn routes_to_json(routes: &[Route]) -> Value {
    let of_one = |rules: &[Route]| {
        let pattern = rules.iter().map(|route| route.entry.pattern.to_string()).take(1);
        let rules = || rules.iter().map(Route::to_json).collect::<Value>();
        pattern.map(|pattern| (pattern, rules())).collect::<Value>()
    };
    routes.chunk_by(|one, next| one.entry.pattern == next.entry.pattern).map(of_one).collect()
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
