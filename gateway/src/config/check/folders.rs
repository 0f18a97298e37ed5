//! Folders and files that the gateway makes itself: whether they can be made, and whether what is there is what was meant.

use std::collections::BTreeSet;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::Found;

impl Found<'_> {
    /// What the gateway makes needs a folder to be made in, and a name that is free or its own.
    pub(super) fn folders(&mut self) {
        let config = self.config;
        let made = [
            ("store.path", config.store.path.as_deref()),
            ("admin.socket", config.admin.socket.as_deref()),
            ("file_drop.folder", config.file_drop.as_ref().map(|drop| drop.folder.as_path())),
        ];
        for (path, made) in made {
            let Some(folder) = made.and_then(Path::parent) else { continue };
            let there = folder.as_os_str().is_empty() || folder.is_dir();
            let what = folder.display();
            self.unless(
                there,
                path,
                (&format!("de map {what} is er niet."), &format!("the folder {what} is not there.")),
                ("Maak de map.", "Make the folder."),
            );
        }
        if let Some(path) = config.store.path.as_deref().filter(|path| path.is_dir()) {
            let file = path.join("schakel.db");
            self.error(
                "store.path",
                ("is een map.", "is a folder."),
                (&format!("Noem het bestand daarin: {}.", file.display()), &format!("Name the file in it: {}.", file.display())),
            );
        }
        let socket = config.admin.socket.as_deref().and_then(|path| std::fs::symlink_metadata(path).ok());
        self.unless(
            socket.is_none_or(|found| found.file_type().is_socket()),
            "admin.socket",
            ("is al iets anders dan een socket.", "is something else than a socket already."),
            ("Kies een andere naam, of haal dat weg.", "Choose another name, or remove what is there."),
        );
        let folder = config.file_drop.as_ref().and_then(|drop| std::fs::metadata(&drop.folder).ok());
        self.unless(
            folder.is_none_or(|found| found.is_dir()),
            "file_drop.folder",
            ("is geen map.", "is not a folder."),
            ("Kies een andere naam, of haal dat weg.", "Choose another name, or remove what is there."),
        );
    }

    /// The socket is its owner's alone (mode 0600, in a folder of mode 0700), so of all users only root and the gateway's own come in.
    pub(super) fn operators(&mut self) {
        let config = self.config;
        if config.admin.socket.is_none() {
            return;
        }
        let own = std::fs::metadata(&config.data).map(|found| found.uid());
        let come_in: BTreeSet<u32> = own.into_iter().chain([0]).collect();
        for name in config.admin.operators.keys() {
            let uid = name.strip_prefix("uid:").and_then(|uid| uid.parse::<u32>().ok());
            if uid.is_some_and(|uid| come_in.contains(&uid)) {
                continue;
            }
            self.warning(
                format!("admin.operators.{name}"),
                (
                    "komt niet binnen: bij de socket kunnen alleen root en de gebruiker van de gateway.",
                    "cannot come in: only root and the gateway's own user reach the socket.",
                ),
                (
                    "Geef elke beheerder een certificaat, en deze deur listen, certificate, key en trust in plaats van socket.",
                    "Give every operator a certificate, and this door listen, certificate, key and trust in place of socket.",
                ),
            );
        }
    }
}
