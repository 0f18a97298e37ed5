//! Whether a version follows on from the one before it, and somebody must sign the next.

use super::Found;

impl Found<'_> {
    pub(super) fn versions(&mut self) {
        let document = self.document;
        let first = document.version == 1;
        let says_before = document.predecessor.is_some() || document.change.is_some() || document.predecessor_until.is_some();
        self.unless(document.version > 0, "version", ("versie 0 bestaat niet.", "there is no version 0."), ("Begin bij 1.", "Begin at 1."));
        self.unless(
            !(first && says_before),
            "predecessor",
            ("de eerste versie heeft geen voorganger.", "the first version has no predecessor."),
            ("Haal change, predecessor en predecessor_until weg.", "Remove change, predecessor and predecessor_until."),
        );
        self.unless(
            document.version <= 1 || document.predecessor.is_some() && document.change.is_some(),
            "predecessor",
            (
                "een volgende versie noemt haar voorganger en het soort wijziging.",
                "a later version names its predecessor and the kind of change.",
            ),
            ("Vul predecessor (de hash) en change in.", "Fill in predecessor (the hash) and change."),
        );
        self.unless(
            document.in_force_until.is_none_or(|until| until > document.in_force_from),
            "in_force_until",
            ("ligt niet na de ingangsdatum.", "is not after the first day in force."),
            ("Kies een latere datum.", "Choose a later date."),
        );
        self.unless(
            document.predecessor_until.is_none_or(|until| until >= document.in_force_from),
            "predecessor_until",
            ("ligt voor de ingangsdatum: er zou een gat vallen.", "is before the first day in force: there would be a gap."),
            ("Kies de ingangsdatum of later.", "Choose the first day in force or later."),
        );
    }

    pub(super) fn change_rules(&mut self) {
        let document = self.document;
        let rules = &document.change_rules;
        for (name, signers) in
            [("ordinary", &rules.ordinary), ("accession", &rules.accession), ("withdrawal", &rules.withdrawal), ("overlay", &rules.overlay)]
        {
            let path = format!("change_rules.{name}");
            self.who(&path, signers, false);
            self.unless(
                document.parties.iter().any(|party| document.names(signers, party)),
                path,
                ("niemand hoeft te tekenen.", "nobody has to sign."),
                ("Noem partijen, een rol of all.", "Name parties, a role or all."),
            );
        }
    }
}
