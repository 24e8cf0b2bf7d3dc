//! Batches that were parsed already: an application sends the same few texts over and over, from session to session.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::Step;
use crate::sql::errors::SqlError;

/// So many texts of at most such a length are kept; the next one after them begins anew.
const MOST: usize = 512;
const LONGEST: usize = 8 << 10;

#[derive(Debug, Default)]
pub(crate) struct Parsed(Mutex<HashMap<String, Arc<Vec<Step>>>>);

impl Parsed {
    /// The steps of a batch; what is wrong with a text is told each time anew.
    pub(crate) fn steps(&self, text: &str) -> Result<Arc<Vec<Step>>, SqlError> {
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(steps) = kept().get(text) {
            return Ok(Arc::clone(steps));
        }
        let steps = Arc::new(super::parse(text)?);
        if text.len() <= LONGEST {
            let mut kept = kept();
            if kept.len() >= MOST {
                kept.clear();
            }
            kept.insert(text.to_owned(), Arc::clone(&steps));
        }
        Ok(steps)
    }
}
