//! Pure. What emails say, in each language. `{name}` is filled in.

/// One language's sentences.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// BCP 47.
    pub language: &'static str,
    pub subject: &'static str,
    /// With `{name}`.
    pub hello: &'static str,
    pub hello_somebody: &'static str,
    /// With `{room}`.
    pub ready: &'static str,
    pub room: &'static str,
    pub date: &'static str,
    pub time: &'static str,
    pub duration: &'static str,
    pub kept: &'static str,
    /// With `{date}`.
    pub until_one_day: &'static str,
    /// With `{days}` and `{date}`.
    pub until_days: &'static str,
    /// With `{date}`; when it is less than a day.
    pub until: &'static str,
    /// With `{why}`.
    pub cut_short: &'static str,
    /// Stands before tenths.
    pub decimal: &'static str,
    /// With `{seconds}` and `{at}`.
    pub holes: &'static str,
    /// With `{who}`.
    pub quiet: &'static str,
    /// With `{who}`.
    pub unseen: &'static str,
    pub limit_duration: &'static str,
    pub limit_size: &'static str,
    pub open: &'static str,
    /// How to keep it, in steps.
    pub keep: &'static str,
    pub steps: [&'static str; 3],
    pub support: &'static str,
    pub automatic: &'static str,
}

impl Words {
    /// Those of this BCP 47 tag; English when we do not speak it.
    pub fn of(locale: Option<&str>) -> &'static Self {
        let wanted = prefix(locale.unwrap_or_default());
        ALL.iter().find(|words| words.language == wanted).unwrap_or(&ENGLISH)
    }
}

/// A tag's language: `fr` of `fr-CA` and of `fr_CA`.
pub(super) fn prefix(locale: &str) -> String {
    locale.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase()
}

static ALL: [Words; 4] = [ENGLISH, FRENCH, GERMAN, DUTCH];

const ENGLISH: Words = Words {
    language: "en",
    subject: "Your recording is ready",
    hello: "Hello {name},",
    hello_somebody: "Hello,",
    ready: "The recording of “{room}” is ready.",
    room: "Room",
    date: "Date",
    time: "Time",
    duration: "Duration",
    kept: "Kept",
    until_one_day: "for one day, until {date}",
    until_days: "for {days} days, until {date}",
    until: "until {date}",
    cut_short: "The recording was cut short ({why}). What was recorded until then is kept.",
    decimal: ".",
    holes: "{seconds} s are missing from this recording: the connection was lost or the recorder stood still, first at {at}.",
    quiet: "Some of {who}'s audio is missing.",
    unseen: "A camera, screen or microphone of {who} could not be recorded.",
    limit_duration: "The recording was stopped because it had reached the longest duration allowed.",
    limit_size: "The recording was stopped because it had reached the largest size allowed.",
    open: "Open the recording",
    keep: "To keep it:",
    steps: ["Open the recording.", "Choose “Download”.", "Store the file where it is safe."],
    support: "Questions? Write to",
    automatic: "This message was sent automatically by",
};

const FRENCH: Words = Words {
    language: "fr",
    subject: "Votre enregistrement est prêt",
    hello: "Bonjour {name},",
    hello_somebody: "Bonjour,",
    ready: "L’enregistrement de «\u{a0}{room}\u{a0}» est prêt.",
    room: "Salle",
    date: "Date",
    time: "Heure",
    duration: "Durée",
    kept: "Conservé",
    until_one_day: "un jour, jusqu’au {date}",
    until_days: "{days} jours, jusqu’au {date}",
    until: "jusqu’au {date}",
    cut_short: "L’enregistrement a été interrompu ({why}). Ce qui a été enregistré jusque-là est conservé.",
    decimal: ",",
    holes: "Il manque {seconds}\u{a0}s à cet enregistrement\u{a0}: la connexion a été perdue ou l’enregistreur s’est arrêté, la première fois à {at}.",
    quiet: "Une partie du son de {who} manque.",
    unseen: "Une caméra, un écran ou un micro de {who} n’a pas pu être enregistré.",
    limit_duration: "L’enregistrement a été arrêté parce qu’il avait atteint la durée maximale autorisée.",
    limit_size: "L’enregistrement a été arrêté parce qu’il avait atteint la taille maximale autorisée.",
    open: "Ouvrir l’enregistrement",
    keep: "Pour le conserver\u{a0}:",
    steps: ["Ouvrez l’enregistrement.", "Choisissez «\u{a0}Télécharger\u{a0}».", "Rangez le fichier en lieu sûr."],
    support: "Des questions\u{a0}? Écrivez à",
    automatic: "Ce message a été envoyé automatiquement par",
};

const GERMAN: Words = Words {
    language: "de",
    subject: "Ihre Aufzeichnung ist bereit",
    hello: "Guten Tag {name},",
    hello_somebody: "Guten Tag,",
    ready: "Die Aufzeichnung von „{room}“ ist bereit.",
    room: "Raum",
    date: "Datum",
    time: "Uhrzeit",
    duration: "Dauer",
    kept: "Aufbewahrt",
    until_one_day: "einen Tag, bis zum {date}",
    until_days: "{days} Tage, bis zum {date}",
    until: "bis zum {date}",
    cut_short: "Die Aufzeichnung ist abgebrochen ({why}). Was bis dahin aufgezeichnet wurde, ist erhalten.",
    decimal: ",",
    holes: "In dieser Aufzeichnung fehlen {seconds} s: Die Verbindung war unterbrochen oder der Rekorder stand still, zuerst bei {at}.",
    quiet: "Ein Teil des Tons von {who} fehlt.",
    unseen: "Eine Kamera, ein Bildschirm oder ein Mikrofon von {who} konnte nicht aufgezeichnet werden.",
    limit_duration: "Die Aufzeichnung wurde beendet, weil sie die längste erlaubte Dauer erreicht hatte.",
    limit_size: "Die Aufzeichnung wurde beendet, weil sie die größte erlaubte Größe erreicht hatte.",
    open: "Aufzeichnung öffnen",
    keep: "So behalten Sie sie:",
    steps: ["Öffnen Sie die Aufzeichnung.", "Wählen Sie „Herunterladen“.", "Bewahren Sie die Datei sicher auf."],
    support: "Fragen? Schreiben Sie an",
    automatic: "Diese Nachricht wurde automatisch gesendet von",
};

const DUTCH: Words = Words {
    language: "nl",
    subject: "Je opname is klaar",
    hello: "Hallo {name},",
    hello_somebody: "Hallo,",
    ready: "De opname van ‘{room}’ is klaar.",
    room: "Ruimte",
    date: "Datum",
    time: "Tijd",
    duration: "Duur",
    kept: "Bewaard",
    until_one_day: "één dag, tot {date}",
    until_days: "{days} dagen, tot {date}",
    until: "tot {date}",
    cut_short: "De opname is afgebroken ({why}). Wat tot dan toe is opgenomen, blijft bewaard.",
    decimal: ",",
    holes: "In deze opname ontbreekt {seconds} s: de verbinding viel weg of de recorder stond stil, voor het eerst bij {at}.",
    quiet: "Een deel van het geluid van {who} ontbreekt.",
    unseen: "Een camera, scherm of microfoon van {who} kon niet worden opgenomen.",
    limit_duration: "De opname is gestopt omdat de langst toegestane duur was bereikt.",
    limit_size: "De opname is gestopt omdat de grootst toegestane omvang was bereikt.",
    open: "Opname openen",
    keep: "Zo bewaar je de opname:",
    steps: ["Open de opname.", "Kies ‘Downloaden’.", "Bewaar het bestand op een veilige plek."],
    support: "Vragen? Schrijf naar",
    automatic: "Dit bericht is automatisch verzonden door",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_tags_first_part_and_english_the_last_resort() {
        let table = [
            (Some("fr"), "fr"),
            (Some("fr-CA"), "fr"),
            (Some("DE_at"), "de"),
            (Some("nl-Latn-BE"), "nl"),
            (Some("ja"), "en"),
            (Some(""), "en"),
            (None, "en"),
        ];
        for (locale, language) in table {
            assert_eq!(Words::of(locale).language, language, "{locale:?}");
        }
    }
}
