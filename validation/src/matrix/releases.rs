//! What the matrix says of earlier releases: which there are, what goldens are made of, and which changes were
//! approved.

use super::{
    Diagnostic,
    check::Checker,
    document::{ApprovalSection, SuitesSection},
    entries::Entry,
    model::{ApprovedChange, OperatorRow, Recipe, Release},
    pattern::Pattern,
};

impl Checker<'_> {
    /// The releases with the hashes of their manifests.
    pub(super) fn releases(&self, section: &SuitesSection) -> Result<Vec<Release>, Diagnostic> {
        let releases = section.backward_compat.iter().flat_map(|section| section.releases.iter());
        releases
            .map(|Entry { key, value }| {
                self.check_name(key)?;
                let is_hash = value.len() == 64 && value.chars().all(|digit| matches!(digit, '0'..='9' | 'a'..='f'));
                if !is_hash {
                    let message = format!("this is no hash of the goldens of {}", key.value);
                    return Err(self
                        .fault(value.place, message)
                        .label("expected BLAKE3 of its manifest.json: 64 hexadecimal digits")
                        .help("`validation golden write` printed it when it wrote them"));
                }
                let (name, place) = (key.value.clone(), key.place);
                Ok(Release { name, place, manifest_hash: value.value.clone() })
            })
            .collect()
    }

    /// What goldens are made of, if that is said.
    pub(super) fn recipe(
        &self,
        section: &SuitesSection,
        operators: &[OperatorRow],
    ) -> Result<Option<Recipe>, Diagnostic> {
        let written = section.backward_compat.as_ref().and_then(|section| section.write.as_ref());
        let Some(section) = written else { return Ok(None) };
        let groups: Vec<_> = operators.iter().flat_map(|row| &row.groups).map(|group| group.name.as_str()).collect();
        self.check_choice("group of problems", &section.problems, &groups)?;
        Ok(Some(Recipe { problems: section.problems.clone(), distributions: section.distributions.clone() }))
    }

    /// The approved changes. Whether one has expired is a question of the day, and not of the matrix.
    pub(super) fn approvals(&self, section: &SuitesSection) -> Result<Vec<ApprovedChange>, Diagnostic> {
        let approvals = section.backward_compat.iter().flat_map(|section| &section.approved);
        approvals
            .map(|ApprovalSection { cells, change, reason, expires }| {
                self.check_reason(reason)?;
                Ok(ApprovedChange {
                    cells: Pattern::new(cells),
                    place: cells.place,
                    change: *change,
                    reason: reason.value.clone(),
                    expires: self.expiry(expires)?,
                })
            })
            .collect()
    }
}
