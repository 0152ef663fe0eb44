//! As much of DER as it takes to walk through a certificate or a status response: one element after the other, by tag and length.
//!
//! Receives bytes that a server sent, hands on slices of them. Whatever does not fit ends the walk; nothing is copied.

/// The tags that are met here (X.690, 8.1.2).
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;

/// Lengths of more octets than this are no lengths of what fits into a handshake.
const MAX_LENGTH_OCTETS: usize = 4;

/// Elements that stand one behind the other.
#[derive(Clone, Copy)]
pub(crate) struct Elements<'a>(pub(crate) &'a [u8]);

impl<'a> Elements<'a> {
    /// What is in the next element, if it has this tag; whatever it is, it is taken.
    pub(crate) fn expect(&mut self, tag: u8) -> Option<Self> {
        let (found, content) = self.next()?;
        (found == tag).then_some(Self(content))
    }

    /// The first element from here on that has this tag.
    pub(crate) fn find(&mut self, tag: u8) -> Option<Self> {
        Iterator::find(self, |(found, _)| *found == tag).map(|(_, content)| Self(content))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            let count = usize::from(first & 0x7f);
            if count == 0 || count > MAX_LENGTH_OCTETS {
                return None;
            }
            let (octets, after) = rest.split_at_checked(count)?;
            length = octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet));
            rest = after;
        }
        let (content, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some((tag, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_after_the_other() {
        let mut elements = Elements(&[2, 1, 7, 0x30, 0x81, 3, 4, 1, 9, 5, 0]);
        assert_eq!(elements.next(), Some((INTEGER, &[7][..])));
        let mut inner = elements.expect(SEQUENCE).unwrap();
        assert_eq!(inner.next(), Some((OCTET_STRING, &[9][..])));
        assert_eq!((inner.next(), elements.next(), elements.next()), (None, Some((5, &[][..])), None));
        assert!(Elements(&[2, 1, 7]).expect(SEQUENCE).is_none());
        assert_eq!(Elements(&[2, 1, 7, 4, 1, 9]).find(OCTET_STRING).map(|found| found.0), Some(&[9][..]));
    }

    #[test]
    fn what_does_not_fit_ends_the_walk() {
        for bytes in [
            &[2][..],
            &[2, 1],
            &[2, 0x80, 0, 0],
            &[2, 0x85, 0, 0, 0, 0, 1, 7],
            &[2, 0x84, 255, 255, 255, 255],
        ] {
            assert_eq!(Elements(bytes).next(), None, "{bytes:?}");
        }
    }
}
