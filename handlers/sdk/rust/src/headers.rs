//! Headers are a list of pairs, as the host gives and takes them; this adds what one does with them by name.
//! Names are compared as HTTP does, without regard to case.

/// Looking into and changing a list of headers. Names are lower case.
pub trait HeaderList {
    /// The first value of this name.
    fn header(&self, name: &str) -> Option<&str>;

    /// Takes all values of this name away and gives it this one.
    fn set_header(&mut self, name: &str, value: impl Into<String>);

    /// Takes all values of this name away.
    fn remove_header(&mut self, name: &str);
}

impl HeaderList for Vec<(String, String)> {
    fn header(&self, name: &str) -> Option<&str> {
        self.iter().find(|(is, _)| is == name).map(|(_, value)| value.as_str())
    }

    fn set_header(&mut self, name: &str, value: impl Into<String>) {
        self.remove_header(name);
        self.push((name.to_owned(), value.into()));
    }

    fn remove_header(&mut self, name: &str) {
        self.retain(|(is, _)| is != name);
    }
}
