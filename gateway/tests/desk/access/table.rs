//! The specification of access, in three tables. Nothing here is computed from the program, and the program reads none of it.
//!
//! A cell is decided in this order. Whoever may not do this at all hears `ROLE_DENIED`, whatever the request names. Then the case
//! decides, by what it is to our organisation. Then, for what opens something with another organisation, that organisation decides.

/// Who may call what. `2nd`: only with a second factor.
///
/// *system* is an own system by its certificate, *once* an auditor who logged in with one factor, *nobody* a login without a role, and
/// *claims* a login that gives itself the roles of other gateways and of the gateway itself.
pub(crate) const CALLERS: &str = "
method                  worker  coordinator  system  auditor  once  operator  nobody  claims
CreateCase              yes     yes          yes     no       no    no        no      no
GetCase                 yes     yes          yes     no       no    no        no      no
ListCases               yes     yes          yes     no       no    no        no      no
UpdateCase              yes     yes          yes     no       no    no        no      no
CloseCase               yes     yes          yes     no       no    no        no      no
AskCaseErasure          yes     yes          yes     no       no    no        no      no
KeepCase                no      yes          no      no       no    no        no      no
EraseCase               no      yes          no      no       no    no        no      no
GetErasure              yes     yes          yes     no       no    no        no      no
ForceReclaimCase        no      yes          no      no       no    no        no      no
ResolveContestedCase    no      yes          no      no       no    no        no      no
CreateConsultation      yes     yes          yes     no       no    no        no      no
GetConsultation         yes     yes          yes     no       no    no        no      no
ListConsultations       yes     yes          yes     no       no    no        no      no
AcceptConsultation      yes     yes          yes     no       no    no        no      no
DeclineConsultation     yes     yes          yes     no       no    no        no      no
AnswerConsultation      yes     yes          yes     no       no    no        no      no
CancelConsultation      yes     yes          yes     no       no    no        no      no
CloseConsultation       yes     yes          yes     no       no    no        no      no
CreateHandover          yes     yes          yes     no       no    no        no      no
GetHandover             yes     yes          yes     no       no    no        no      no
ListHandovers           yes     yes          yes     no       no    no        no      no
AcceptHandover          yes     yes          yes     no       no    no        no      no
DeclineHandover         yes     yes          yes     no       no    no        no      no
WithdrawHandover        yes     yes          yes     no       no    no        no      no
ReleaseHandover         no      yes          no      no       no    no        no      no
GetHandoverProof        yes     yes          yes     no       no    no        no      no
GetDuty                 yes     yes          yes     no       no    no        no      no
WatchEvents             yes     yes          yes     no       no    no        no      no
ListEvents              yes     yes          yes     no       no    no        no      no
GetCovenant             yes     yes          yes     yes      yes   yes       no      no
ListCovenants           yes     yes          yes     yes      yes   yes       no      no
ExplainCovenant         yes     yes          yes     yes      yes   yes       no      no
CheckCovenant           yes     yes          yes     yes      yes   yes       no      no
ListEntries             no      no           no      yes      2nd   no        no      no
GetEntry                no      no           no      yes      2nd   no        no      no
GetCheckpoint           no      no           no      yes      2nd   no        no      no
ExportLog               no      no           no      yes      2nd   no        no      no
VerifyLog               no      no           no      yes      2nd   no        no      no
GetInclusionProof       no      no           no      yes      2nd   no        no      no
GetConsistencyProof     no      no           no      yes      2nd   no        no      no
ListPeers               no      no           no      no       no    yes       no      no
StopPeer                no      no           no      no       no    yes       no      no
ResumePeer              no      no           no      no       no    yes       no      no
EndRecovery             no      no           no      no       no    yes       no      no
ListMessages            no      no           no      no       no    yes       no      no
RetryPeer               no      no           no      no       no    yes       no      no
CancelMessage           no      no           no      no       no    yes       no      no
ReplayMessage           no      no           no      no       no    yes       no      no
ListAdapters            no      no           no      no       no    yes       no      no
InstallCovenant         no      no           no      no       no    yes       no      no
InstallPartyRecord      no      no           no      no       no    yes       no      no
";

/// What the case is to us, and what may then be done with it. A method that is not here has nothing to do with one case: `yes`.
///
/// *lead*: we lead and nothing is under way; *offering*: we lead and offered it; *moving*: our transfer is under way; *gone*: we led and
/// handed it over; *offered*: offered to us; *pledged*: we accepted and wait for the transfer; *contested*: the lead was reclaimed from
/// us; *closed*: we closed it. *asked*: our expertise is asked by name; *helping*: the same, and we are the one who helps; *anonymous*:
/// our expertise is asked about nobody in particular. *asking*: we lead and asked for expertise; *helped*: the same, and somebody helps.
/// *theirs*: a case of two other organisations; *unknown*: a case that does not exist. The last two must look the same.
///
/// A request for a thing this case does not have names one that does not exist. `-` is `NOT_FOUND`.
pub(crate) const CASES: &str = "
form                    lead  offering  moving  gone  offered  pledged  contested  closed  asked  helping  anonymous  asking  helped  theirs  unknown
GetCase                 yes   yes       yes     yes   yes      yes      yes        yes     yes    yes      -          yes     yes     -       -
UpdateCase              yes   oo        it      nl    nl       nl       co         cl      nl     nl       -          yes     yes     -       -
CloseCase               yes   oo        it      nl    nl       nl       co         cl      nl     nl       -          yes     yes     -       -
AskCaseErasure          eb    eb        eb      yes     eb       eb       eb         yes     eb     eb       -          eb      eb      -       -
KeepCase                yes   yes       yes     yes     yes      yes      yes        yes     yes    yes      -          yes     yes     -       -
EraseCase               en    en        en      en      en       en       en         en      en     en       -          en      en      -       -
GetErasure              -     -         -       -       -        -        -          -       -      -        -          -       -       -       -
ForceReclaimCase        ni    ni        yes     ni    ni       ni       co         cl      ni     ni       -          ni      ni      -       -
ResolveContestedCase    nc    nc        nc      nc    nc       nc       yes        nc      nc     nc       -          nc      nc      -       -
CreateConsultation      yes   yes       it      nl    nl       nl       co         cl      nl     nl       -          yes     yes     -       -
CreateHandover          yes   oo        it      nl    nl       nl       co         cl      nl     nl       -          yes     yes     -       -
ListHandovers           yes   yes       yes     yes   yes      yes      yes        yes     yes    yes      -          yes     yes     -       -
GetHandover             -     yes       yes     yes   yes      yes      yes        -       -      -        -          -       -       -       -
GetHandoverProof        -     yes       yes     yes   yes      yes      yes        -       -      -        -          -       -       -       -
AcceptHandover          -     -         -       -     yes      aa       aa         -       -      -        -          -       -       -       -
DeclineHandover         -     -         -       -     yes      aa       aa         -       -      -        -          -       -       -       -
WithdrawHandover        -     yes       it      ho    -        -        -          -       -      -        -          -       -       -       -
ReleaseHandover         -     -         -       -     ho       yes      ho         -       -      -        -          -       -       -       -
GetConsultation         -     -         -       -     -        -        -          -       yes    yes      yes        yes     yes     -       -
AcceptConsultation      -     -         -       -     -        -        -          -       yes    aa       yes        qo      qo      -       -
DeclineConsultation     -     -         -       -     -        -        -          -       yes    aa       yes        qo      qo      -       -
AnswerConsultation      -     -         -       -     -        -        -          -       qo     yes      qo         qo      qo      -       -
CancelConsultation      -     -         -       -     -        -        -          -       qo     qo       qo         yes     qo      -       -
CloseConsultation       -     -         -       -     -        -        -          -       qo     qo       qo         qo      yes     -       -
CancelMessage           -     no        no      no    -        no       no         -       -      no       -          no      no      -       -
ReplayMessage           -     no        no      no    -        no       no         -       -      no       -          no      no      -       -
EndRecovery             nr    nr        nr      nr    nr       nr       nr         nr      nr     nr       nr         nr      nr      nr      nr
";

/// The words of [`CASES`].
pub(crate) const WORDS: [(&str, &str); 17] = [
    ("-", "NOT_FOUND"),
    ("nl", "NOT_LEAD"),
    ("oo", "OFFER_OPEN"),
    ("ho", "HANDOVER_NOT_OPEN"),
    ("it", "IN_TRANSFER"),
    ("ni", "NOT_IN_TRANSFER"),
    ("nc", "NOT_CONTESTED"),
    ("co", "CONTESTED"),
    ("cl", "CASE_CLOSED"),
    ("qo", "CONSULTATION_NOT_OPEN"),
    ("aa", "ALREADY_ANSWERED"),
    ("no", "NOT_CANCELLABLE"),
    ("nr", "NOT_RECOVERING"),
    ("eb", "ERASURE_BARRED"),
    ("en", "ERASURE_NOT_ASKED"),
    ("2nd", "TWO_FACTOR_REQUIRED"),
    ("role", "ROLE_DENIED"),
];

/// What the other organisation is to us, and whether something new may be opened with it: a question by name, a question about nobody
/// in particular, an offer; and whether a record that it signed is taken in. What is open already goes on whatever became of the other. The organisation is asked about only when we
/// lead, and before an offer that stands open already.
pub(crate) const STANDINGS: &str = "
standing      CreateConsultation    CreateConsultation/anonymous  CreateHandover        InstallPartyRecord
granted       yes                   yes                           yes                   yes
no-purpose    COVENANT_DENIED       COVENANT_DENIED               COVENANT_DENIED       yes
figures-only  COVENANT_DENIED       COVENANT_DENIED               COVENANT_DENIED       yes
no-party      COVENANT_MISSING      COVENANT_MISSING              COVENANT_MISSING      yes
expired       PARTY_RECORD_EXPIRED  PARTY_RECORD_EXPIRED          PARTY_RECORD_EXPIRED  yes
no-record     UNKNOWN_PEER          UNKNOWN_PEER                  UNKNOWN_PEER          yes
stopped       PEER_STOPPED          PEER_STOPPED                  PEER_STOPPED          yes
no-covenant   COVENANT_MISSING      COVENANT_MISSING              COVENANT_MISSING      UNKNOWN_PEER
";

/// A table as rows of a name and cells, under the names of its columns.
pub(crate) struct Table {
    /// Names of the columns.
    pub(crate) columns: Vec<&'static str>,
    /// Rows.
    pub(crate) rows: Vec<(&'static str, Vec<&'static str>)>,
}

impl Table {
    /// Reads one of the tables above.
    pub(crate) fn read(text: &'static str) -> Self {
        let mut lines = text.lines().filter(|line| !line.is_empty()).map(|line| line.split_whitespace().collect::<Vec<_>>());
        let columns = lines.next().unwrap().split_off(1);
        let rows: Vec<_> = lines.map(|mut line| (line.remove(0), line)).collect();
        assert!(rows.iter().all(|(_, cells)| cells.len() == columns.len()), "a row with a hole");
        Self { columns, rows }
    }

    /// One cell; none when there is no such row.
    pub(crate) fn cell(&self, row: &str, column: &str) -> Option<&'static str> {
        let at = self.columns.iter().position(|name| *name == column).unwrap();
        self.rows.iter().find(|(name, _)| *name == row).map(|(_, cells)| cells[at])
    }
}

/// The three tables together.
pub(crate) struct Specification {
    pub(crate) callers: Table,
    pub(crate) cases: Table,
    pub(crate) standings: Table,
}

impl Specification {
    pub(crate) fn read() -> Self {
        Self { callers: Table::read(CALLERS), cases: Table::read(CASES), standings: Table::read(STANDINGS) }
    }

    /// What a cell must say: `yes`, or the code of a reason. A form is a method, or `method/variant`.
    pub(crate) fn expects(&self, form: &str, caller: &str, case: &str, standing: &str) -> &'static str {
        let method = form.split('/').next().unwrap();
        match self.callers.cell(method, caller).unwrap() {
            "yes" => {}
            "no" => return "ROLE_DENIED",
            word => return meaning(word),
        }
        let by_case = if form == method { self.cases.cell(form, case).map_or("yes", meaning) } else { "yes" };
        let opens = self.standings.columns.contains(&form) && ["yes", "OFFER_OPEN"].contains(&by_case);
        match self.standings.cell(standing, form_or_first(&self.standings, form)) {
            Some(word) if opens && word != "yes" => word,
            _ => by_case,
        }
    }
}

fn form_or_first(table: &Table, form: &str) -> &'static str {
    table.columns.iter().copied().find(|column| *column == form).unwrap_or(table.columns[0])
}

fn meaning(word: &'static str) -> &'static str {
    WORDS.iter().find(|(short, _)| *short == word).map_or(word, |(_, code)| code)
}
