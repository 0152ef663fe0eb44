//! A list of rules, compiled: an index of their patterns, and of each rule what it is called and what it asks for.
//!
//! Receives entries once and a request ever after; hands on the most specific rule that is for it.

use std::{net::IpAddr, sync::Arc};

use crate::{
    Answer, Condition, Entry, Origin, Pattern, Rule,
    condition::{Applies, Message},
    index::{Asked, Index, Question, Requests},
};

/// Rules with one meaning.
#[derive(Debug)]
pub(super) struct List {
    pub(super) index: Index,
    rules: Vec<Listed>,
}

#[derive(Debug)]
struct Listed {
    rule: Rule,
    /// Most rules have none.
    condition: Option<Box<Condition>>,
    answer: Option<Arc<Answer>>,
}

/// The rule that was looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    /// Its place in the list.
    pub(super) place: usize,
    pub(super) rule: &'a Rule,
    pub(super) answer: Option<&'a Arc<Answer>>,
    /// `Yes`, or `Unclear`.
    pub(super) applies: Applies,
}

impl List {
    /// The rules of one key.
    pub(super) fn new<'a>(
        key: &str,
        labelled: Labelled,
        entries: impl IntoIterator<Item = &'a Entry>,
    ) -> Self {
        Self::with_patterns(key, labelled, entries.into_iter().map(|entry| (entry.pattern.clone(), entry)))
    }

    /// Rules whose patterns mean something else here than where they stand.
    pub(super) fn with_patterns<'a>(
        key: &str,
        labelled: Labelled,
        entries: impl IntoIterator<Item = (Pattern, &'a Entry)>,
    ) -> Self {
        let (patterns, entries): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        let mut labels = Labels { key, labelled, source: None, place: 0 };
        let requests =
            |entry: &&Entry| if entry.condition.is_empty() { Requests::All } else { Requests::Some };
        let index = Index::new(patterns.iter().zip(entries.iter().map(requests)));
        let listed = |entry: &Entry| Listed {
            rule: labels.label(entry),
            condition: (!entry.condition.is_empty()).then(|| Box::new(entry.condition.clone())),
            answer: entry.answer.clone(),
        };
        Self { index, rules: entries.into_iter().map(listed).collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The most specific rule that is for `message`; a rule that is for some requests only counts as `partly` says while there
    /// is no request.
    pub(super) fn find(&self, question: Question<'_>, partly: Applies) -> Option<Found<'_>> {
        let Question { host, asked, message } = question;
        let mut applies = Applies::Yes;
        let wanted = |place: usize| {
            let condition = self.rules.get(place).and_then(|listed| listed.condition.as_ref());
            let now = match (condition, message) {
                (None, _) => Applies::Yes,
                (Some(condition), Message::Known { method, path }) => condition.applies(method, path),
                // The worst request has a path that can be read in two ways.
                (Some(condition), Message::Worst) if !condition.paths.is_empty() => Applies::Unclear,
                (Some(_), Message::Best | Message::Worst) => partly,
            };
            if now != Applies::No {
                applies = now;
            }
            now != Applies::No
        };
        let place = self.index.find(host, asked, wanted)?;
        let Listed { rule, answer, .. } = self.rules.get(place)?;
        Some(Found { place, rule, answer: answer.as_ref(), applies })
    }

    /// A rule that could be for `message`, and could not.
    pub(super) fn find_unclear(&self, question: Question<'_>) -> Option<Found<'_>> {
        let Question { host, asked, message } = question;
        let unclear = |condition: &Condition| match message {
            Message::Known { method, path } => condition.applies(method, path) == Applies::Unclear,
            Message::Worst => !condition.paths.is_empty(),
            Message::Best => false,
        };
        let condition = |place: usize| self.rules.get(place)?.condition.as_ref();
        let place = self.index.find(host, asked, |place| condition(place).is_some_and(|c| unclear(c)))?;
        let Listed { rule, answer, .. } = self.rules.get(place)?;
        Some(Found { place, rule, answer: answer.as_ref(), applies: Applies::Unclear })
    }

    /// Whether the rule at a place is for every request that its pattern matches.
    pub(super) fn is_for_all(&self, place: usize) -> bool {
        self.rules.get(place).is_some_and(|listed| listed.condition.is_none())
    }

    pub(super) fn label(&self, place: usize) -> Option<&Rule> {
        self.rules.get(place).map(|listed| &listed.rule)
    }

    pub(super) fn find_network(&self, address: IpAddr, asked: Asked) -> Option<&Rule> {
        let place = self.index.find_network(address, asked, |_| true)?;
        self.rules.get(place).map(|listed| &listed.rule)
    }
}

/// How a person finds a rule below its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Labelled {
    /// By its pattern, and by counting.
    Number,
    /// By its pattern.
    Pattern,
    /// There is mostly one alone.
    Key,
}

/// Makes the labels of one list. The places are counted in each document for itself.
struct Labels<'a> {
    key: &'a str,
    labelled: Labelled,
    source: Option<Origin>,
    place: usize,
}

impl Labels<'_> {
    fn label(&mut self, entry: &Entry) -> Rule {
        let source = entry.origin.at(0);
        self.place = if self.source.as_ref() == Some(&source) { self.place + 1 } else { 0 };
        self.source = Some(source);
        let name = entry.name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        let Self { key, place, .. } = self;
        let Entry { pattern, origin, .. } = entry;
        let alone = entry.condition.is_empty() && matches!(origin, Origin::Document { source: None, .. });
        Rule::new(match self.labelled {
            Labelled::Number => format!("{name}{key}[{place}] {pattern} ({origin})"),
            Labelled::Pattern => format!("{name}{key} {pattern} ({origin})"),
            Labelled::Key if alone => format!("{name}{key}"),
            Labelled::Key => format!("{name}{key} ({origin})"),
        })
    }
}
