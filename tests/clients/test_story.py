#!/usr/bin/env python3
"""The work of a crisis, done by a program in another language against running gateways. Persons are invented.

    test_story.py DEMO_JSON DESCRIPTORS

DEMO_JSON is what `schakel demo --keep DIR` writes, DESCRIPTORS what `schakel api descriptors` prints. The last line is `N passed, N failed`.
"""

import datetime
import pathlib
import sys
import unittest

import grpc

import runner
import schakel_proof as proof
from schakel_client import Federation, Refused, api, build, new_id, read

SEZ, GGNET, ENTREA, G7 = "kvk:90000101", "ura:90000103", "kvk:90000106", "kvk:90000110"
KEY_POINTS = ["niet alleen laten", "vader niet bellen"]
federation: Federation


def dossier(birth_date="2011-05-04"):
    legal = api.type.LegalStatus
    return api.type.Dossier(
        identity=api.type.Identity(given_names="Sam", family_name="Voorbeeld", birth_date=birth_date, sex="other", municipality="0268"),
        legal=legal(regime=legal.REGIME_JEUGDWET, basis=legal.BASIS_VITAL_INTEREST, no_consent_reason="ouders nog niet bereikt"),
        situation="Weggelopen, wil niet naar huis.",
        recommendation="Ambulante Spoedhulp aan huis.",
        severity=api.type.SEVERITY_WATCHER,
        key_points=KEY_POINTS,
    )


def in_minutes(minutes):
    moment = api.message.Message().sent_time
    moment.FromDatetime(datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes))
    return moment


class Story(unittest.TestCase):
    """People at their own gateways, and what they do again and again."""

    maxDiff = None

    def setUp(self):
        self.sez, self.ggnet, self.entrea = (federation.gateway(org).person("worker") for org in (SEZ, GGNET, ENTREA))

    def refused(self, reason, code, method, request, by=None):
        with self.assertRaises(Refused) as caught:
            (by or self.sez).ask(method, request)
        refusal = caught.exception
        self.assertEqual((refusal.reason, refusal.code.name, refusal.domain), (reason, code, "schakel"), refusal)
        return refusal

    def open_case(self, **details):
        request = api.case_service.CreateCaseRequest(dossier=dossier(**details), request_id=new_id(), actor=self.sez.actor)
        return self.sez.ask(self.sez.care.cases.CreateCase, request).case

    def get_case(self, name, by=None, view=0):
        by = by or self.sez
        return by.ask(by.care.cases.GetCase, api.case_service.GetCaseRequest(name=name, view=view, actor=by.actor)).case

    def question(self, by, name, view=0):
        request = api.consultation_service.GetConsultationRequest(name=name, view=view, actor=by.actor)
        return by.ask(by.care.consultations.GetConsultation, request).consultation

    def question_when(self, by, name, state):
        return by.until(lambda: self.question(by, name), lambda seen: seen.state == state)

    def ask_ggnet(self, **about):
        request = api.consultation_service.CreateConsultationRequest(
            service="ggz-crisis", urgency="spoed", question="Wilt u meekijken?", candidates=[GGNET], request_id=new_id(), actor=self.sez.actor
        )
        request.MergeFrom(api.consultation_service.CreateConsultationRequest(**about))
        return self.sez.ask(self.sez.care.consultations.CreateConsultation, request).consultation

    def handover(self, by, name, view=0):
        return by.ask(by.care.handovers.GetHandover, api.handover_service.GetHandoverRequest(name=name, view=view, actor=by.actor)).handover

    def handover_when(self, by, name, ready):
        return by.until(lambda: self.handover(by, name), ready)

    def offer_to(self, receiver, case, by=None):
        by = by or self.sez
        request = api.handover_service.CreateHandoverRequest(
            parent=case.name, etag=case.etag, request_id=new_id(), actor=by.actor,
            receiver=receiver, service="ambulante-spoedhulp", urgency="spoed",
        )
        return by.ask(by.care.handovers.CreateHandover, request).handover

    def accept(self, offer, words):
        request = api.handover_service.AcceptHandoverRequest(
            name=offer.name, etag=offer.etag, request_id=new_id(), actor=self.entrea.actor,
            read_back=[api.type.ReadBack(point=at, words=text) for at, text in enumerate(words, 1)],
            first_action="om 09:00 op de stoep", first_action_time=in_minutes(60),
        )
        return self.entrea.ask(self.entrea.care.handovers.AcceptHandover, request).handover


class ACase(Story):
    def test_opening_a_case_makes_this_organisation_lead_and_says_so(self):
        case = self.open_case()

        self.assertEqual(case.standing, api.case.Case.STANDING_LEAD)
        self.assertEqual((case.responsibility.lead, list(case.responsibility.responsible)), (SEZ, [SEZ]))
        self.assertIn("SEZ", case.responsibility.sentence_nl)
        self.assertRegex(case.label, r"^ZK-")

    def test_the_basic_view_holds_no_identity_and_the_full_view_holds_what_was_written(self):
        case = self.open_case()

        basic, full = self.get_case(case.name), self.get_case(case.name, view=api.common.VIEW_FULL)

        self.assertFalse(basic.HasField("dossier"))
        self.assertEqual(full.dossier.identity.given_names, "Sam")
        self.assertEqual(list(full.dossier.key_points), KEY_POINTS)

    def test_the_same_request_twice_is_one_effect_and_the_answer_says_that_it_is_a_repetition(self):
        request = api.case_service.CreateCaseRequest(dossier=dossier(), request_id=new_id(), actor=self.sez.actor)

        first, said = self.sez.exchange(self.sez.care.cases.CreateCase, request)
        second, said_again = self.sez.exchange(self.sez.care.cases.CreateCase, request)

        self.assertEqual(first, second)
        self.assertNotIn("idempotent-replayed", said)
        self.assertEqual(said_again.get("idempotent-replayed"), "true")

    def test_a_request_id_used_for_other_content_is_refused(self):
        request = api.case_service.CreateCaseRequest(dossier=dossier(), request_id=new_id(), actor=self.sez.actor)
        self.sez.ask(self.sez.care.cases.CreateCase, request)

        request.dossier.situation = "iets anders"

        self.refused("REQUEST_ID_REUSED", "INVALID_ARGUMENT", self.sez.care.cases.CreateCase, request)

    def test_a_decision_on_what_has_changed_since_is_refused_and_a_decision_on_what_is_counts(self):
        old = self.open_case()
        update = lambda case: api.case_service.UpdateCaseRequest(
            name=case.name, etag=case.etag, request_id=new_id(), actor=self.sez.actor, dossier=dossier()
        )
        self.sez.ask(self.sez.care.cases.UpdateCase, update(old))

        self.refused("STALE_ETAG", "ABORTED", self.sez.care.cases.UpdateCase, update(old))

        self.sez.ask(self.sez.care.cases.UpdateCase, update(self.get_case(old.name)))

    def test_every_wrong_field_is_told_at_once(self):
        request = api.case_service.CreateCaseRequest(dossier=dossier(), request_id="geen-uuid", actor=self.sez.actor)
        request.dossier.identity.bsn, request.dossier.identity.birth_date = "123456789", "4 mei"

        refusal = self.refused("INVALID_FIELD", "INVALID_ARGUMENT", self.sez.care.cases.CreateCase, request)

        told = " ".join(refusal.wrong_fields)
        for field in ("request_id", "bsn", "birth_date"):
            self.assertIn(field, told)

    def test_an_own_system_acts_by_its_certificate_and_names_who_answers_for_it(self):
        system = federation.gateway(SEZ).system()
        request = api.case_service.CreateCaseRequest(dossier=dossier(), request_id=new_id(), actor=self.sez.actor)

        case = system.ask(system.care.cases.CreateCase, request).case

        self.assertEqual(self.get_case(case.name).responsibility.lead, SEZ)

    def test_nobody_acts_in_the_name_of_another_person(self):
        request = api.case_service.CreateCaseRequest(dossier=dossier(), request_id=new_id(), actor=self.sez.actor)
        request.actor.person = "local:somebody-else"

        with self.assertRaises(Refused) as caught:
            self.sez.ask(self.sez.care.cases.CreateCase, request)

        self.assertIn(caught.exception.code, (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT), caught.exception)


class AConsultation(Story):
    def test_a_question_is_accepted_with_a_time_answered_and_closed_while_the_case_stays(self):
        state = api.consultation.Consultation
        case = self.open_case()
        name = self.ask_ggnet(case=case.name).name

        self.question_when(self.ggnet, name, state.STATE_ASKED)
        asked = self.question(self.ggnet, name, view=api.common.VIEW_FULL)
        self.assertEqual((asked.question, asked.requester), ("Wilt u meekijken?", SEZ))
        self.assertEqual(asked.dossier.identity.given_names, "Sam")
        eta = in_minutes(25)
        self.ggnet.ask(self.ggnet.care.consultations.AcceptConsultation, api.consultation_service.AcceptConsultationRequest(
            name=name, etag=asked.etag, request_id=new_id(), actor=self.ggnet.actor, available_time=eta, note="kom eraan"
        ))
        assigned = self.question_when(self.sez, name, state.STATE_ASSIGNED)
        self.assertEqual((assigned.candidates[0].organization, assigned.candidates[0].available_time.seconds), (GGNET, eta.seconds))
        self.assertEqual(assigned.candidates[0].by.person, self.ggnet.actor.person)

        confirmed = self.question_when(self.ggnet, name, state.STATE_ASSIGNED)
        self.ggnet.ask(self.ggnet.care.consultations.AnswerConsultation, api.consultation_service.AnswerConsultationRequest(
            name=name, etag=confirmed.etag, request_id=new_id(), actor=self.ggnet.actor, advice="Geen opname nodig."
        ))
        self.question_when(self.sez, name, state.STATE_ADVISED)
        advised = self.question(self.sez, name, view=api.common.VIEW_FULL)
        self.assertEqual(list(advised.advice), ["Geen opname nodig."])

        self.sez.ask(self.sez.care.consultations.CloseConsultation, api.consultation_service.CloseConsultationRequest(
            name=name, etag=advised.etag, request_id=new_id(), actor=self.sez.actor
        ))
        self.question_when(self.ggnet, name, state.STATE_CLOSED)
        self.assertEqual(self.get_case(case.name).responsibility.lead, SEZ)

    def test_a_question_without_identity_arrives_without_case_and_without_dossier(self):
        about = api.consultation_service.AnonymousAbout(age=14, municipality="0268")
        asked = self.ask_ggnet(anonymous=about)

        self.question_when(self.ggnet, asked.name, api.consultation.Consultation.STATE_ASKED)
        seen = self.question(self.ggnet, asked.name, view=api.common.VIEW_FULL)

        self.assertTrue(asked.anonymous and seen.anonymous)
        self.assertEqual((asked.case, seen.case), ("", ""))
        self.assertFalse(seen.HasField("dossier") and seen.dossier.HasField("identity"))
        self.assertEqual(seen.question, "Wilt u meekijken?")

    def test_a_telephone_number_in_a_question_without_identity_stops_it_until_somebody_has_seen_it(self):
        about = api.consultation_service.AnonymousAbout(age=14)
        text = "Zij belt vanaf 06 00000001, wat nu?"

        request = api.consultation_service.CreateConsultationRequest(
            anonymous=about, service="ggz-crisis", urgency="spoed", question=text, candidates=[GGNET], request_id=new_id(), actor=self.sez.actor
        )
        refusal = self.refused("IDENTITY_IN_ANONYMOUS", "INVALID_ARGUMENT", self.sez.care.consultations.CreateConsultation, request)
        about.scan_seen = True
        asked = self.ask_ggnet(anonymous=about, question=text)

        self.assertEqual(refusal.field, "question")
        self.assertEqual([(finding.kind, finding.position) for finding in asked.findings], [("telephone", text.index("06"))])


class AHandover(Story):
    def hand_over(self):
        """A case from SEZ to Entrea, up to the receipt; returns the handover as the sender sees it then."""
        case = self.open_case()
        name = self.offer_to(ENTREA, case).name
        self.handover_when(self.entrea, name, lambda seen: seen.state == seen.STATE_OFFERED)
        self.accept(self.handover(self.entrea, name, view=api.common.VIEW_FULL), ["iemand blijft erbij", "we bellen vader niet"])
        return self.handover_when(self.sez, name, lambda seen: seen.state == seen.STATE_COMPLETED)

    def records(self):
        """Party records of both sides, checked against the root keys in the covenant that every party signed."""
        covenants = self.sez.ask(self.sez.care.covenants.ListCovenants, api.covenant_service.ListCovenantsRequest()).covenants
        answer = self.sez.ask(self.sez.care.covenants.GetCovenant, api.covenant_service.GetCovenantRequest(name=covenants[0].name))
        keys = proof.root_keys(answer.bundle, answer.covenant.hash)
        documents = {org: federation.party_record(org) for org in (SEZ, ENTREA)}
        return answer.covenant, {org: proof.party_record(document, org, keys[org]) for org, document in documents.items()}

    def get_proof(self, by, name):
        request = api.handover_service.GetHandoverProofRequest(name=name, actor=by.actor)
        get = lambda: by.ask(by.care.handovers.GetHandoverProof, request).proof
        return by.until(get, lambda seen: all(item.HasField("proof") for item in seen.messages))

    def test_the_lead_moves_with_a_read_back_and_a_receipt_and_the_sender_stays_responsible_until_then(self):
        case = self.open_case()
        offer = self.offer_to(ENTREA, case)
        self.assertEqual(list(offer.responsibility.responsible), [SEZ])
        self.assertEqual((offer.responsibility.call.organization, offer.responsibility.call.telephone), (ENTREA, "+31000000106"))

        self.handover_when(self.entrea, offer.name, lambda seen: seen.state == seen.STATE_OFFERED)
        full = self.handover(self.entrea, offer.name, view=api.common.VIEW_FULL)
        self.assertEqual((full.dossier.identity.given_names, full.key_point_count), ("Sam", 2))
        self.assertEqual(full.responsibility.lead, SEZ)
        self.handover_when(self.sez, offer.name, lambda seen: seen.facts.HasField("seen_time"))
        self.accept(full, ["iemand blijft erbij", "we bellen vader niet"])
        sent = self.handover_when(self.sez, offer.name, lambda seen: seen.state == seen.STATE_COMPLETED)
        received = self.handover_when(self.entrea, offer.name, lambda seen: seen.state == seen.STATE_COMPLETED)

        for side in (sent, received):
            self.assertEqual((side.responsibility.lead, list(side.responsibility.responsible)), (ENTREA, [ENTREA]))
        for fact in ("sent_time", "delivered_time", "seen_time", "accepted_time", "transferred_time", "received_time"):
            self.assertTrue(sent.facts.HasField(fact), fact)
        self.assertEqual(sent.accepted_by.person, self.entrea.actor.person)
        self.assertEqual(self.get_case(case.name, by=self.entrea).standing, api.case.Case.STANDING_LEAD)
        self.assertEqual(self.get_case(case.name).standing, api.case.Case.STANDING_OUTSIDE)

    def test_without_every_key_point_in_own_words_nothing_is_accepted(self):
        offer = self.offer_to(ENTREA, self.open_case())
        self.handover_when(self.entrea, offer.name, lambda seen: seen.state == seen.STATE_OFFERED)
        full = self.handover(self.entrea, offer.name, view=api.common.VIEW_FULL)

        with self.assertRaises(Refused) as caught:
            self.accept(full, ["iemand blijft erbij"])

        self.assertEqual(caught.exception.reason, "READ_BACK_INCOMPLETE")
        self.assertEqual(self.handover(self.entrea, offer.name).state, full.STATE_OFFERED)

    def test_this_client_itself_verifies_the_receipt_and_finds_the_same_messages_at_both_sides(self):
        name = self.hand_over().name
        covenant, records = self.records()

        ours, theirs = self.get_proof(self.sez, name), self.get_proof(self.entrea, name)
        read_message = api.message.Message.FromString
        sent, received = (proof.check_handover(side, read_message, records) for side in (ours, theirs))

        self.assertEqual(sent, received)
        by_kind = lambda side: {item.kind: item.message for item in side.messages}
        for kind in ("propose-handover", "accept-handover", "transfer-custody", "custody-receipt"):
            self.assertEqual(by_kind(ours)[kind], by_kind(theirs)[kind], kind)
        transfer, receipt = sent[2], sent[3]
        self.assertEqual((transfer.sender, receipt.sender), (SEZ, ENTREA))
        self.assertEqual({message.covenant.hash for message in sent}, {covenant.hash})
        transferred = next(item for item in ours.messages if item.kind == "transfer-custody")
        self.assertEqual(transferred.proof.answer.outcome, "accepted")

    def test_this_client_does_not_believe_a_receipt_in_which_anything_was_changed(self):
        name = self.hand_over().name
        _, records = self.records()
        whole = self.get_proof(self.sez, name)

        receipt = lambda copy: next(item for item in copy.messages if item.kind == "custody-receipt")
        changes = {
            "a byte of the message": lambda item: setattr(item, "message", item.message[:-1] + bytes([item.message[-1] ^ 1])),
            "the hash": lambda item: setattr(item, "message_hash", bytes(32)),
            "the signature": lambda item: setattr(item.proof, "signature", bytes(64)),
            "the number": lambda item: setattr(item.proof, "number", item.proof.number + 1),
            "the incarnation": lambda item: setattr(item.proof, "statement", item.proof.statement.replace(b"incarnation ", b"incarnation 1")),
            "the signer": lambda item: setattr(item.proof, "signer", SEZ),
            "the key": lambda item: setattr(item.proof, "key_id", receipt(whole).proof.key_id[::-1]),
            "the path": lambda item: item.proof.path.append(bytes(32)),
            "no proof": lambda item: item.ClearField("proof"),
        }
        for what, change in changes.items():
            copy = api.handover.HandoverProof.FromString(whole.SerializeToString())
            change(receipt(copy))
            with self.subTest(what), self.assertRaises((proof.Unproven, ValueError)):
                proof.check_handover(copy, api.message.Message.FromString, records)


    def test_this_client_does_not_believe_a_covenant_or_a_party_record_in_which_anything_was_changed(self):
        request = api.covenant_service.GetCovenantRequest(name="covenants/gelderland-crisisinterventie-jeugd")
        answer = self.sez.ask(self.sez.care.covenants.GetCovenant, request)
        keys, record = proof.root_keys(answer.bundle, answer.covenant.hash), federation.party_record(ENTREA)
        proof.party_record(record, ENTREA, keys[ENTREA])

        with self.assertRaises(proof.Unproven):
            proof.root_keys(answer.bundle.replace(b"+31000000106", b"+31000000107"), answer.covenant.hash)
        with self.assertRaises(proof.Unproven):
            proof.party_record(record.replace(b"+31000000106", b"+31000000107"), ENTREA, keys[ENTREA])
        with self.assertRaises(proof.Unproven):
            proof.party_record(record, ENTREA, keys[SEZ])
        with self.assertRaises(proof.Unproven):
            proof.party_record(record, SEZ, keys[ENTREA])


class AWatch(Story):
    def watch(self, count=None, resource=None, cursor="", only_new=False):
        """Events from a cursor on: so many, or up to the first one about a resource. The connection then breaks off."""
        request = api.event_service.WatchEventsRequest(cursor=cursor, only_new=only_new, actor=self.sez.actor)
        stream, events = self.sez.stream(self.sez.care.events.WatchEvents, request), []
        for answer in read(stream):
            if answer.WhichOneof("item") == "event":
                self.assertEqual(answer.cursor, answer.event.cursor)
                events.append(answer.event)
                if len(events) == count or (resource and answer.event.resource == resource):
                    break
        stream.cancel()
        return events

    def test_a_watch_that_broke_off_resumes_after_its_last_cursor_without_a_gap_or_a_repetition(self):
        self.open_case(), self.open_case(), self.open_case()

        before = self.watch(count=2)
        while_away = self.open_case()
        resumed = self.watch(resource=while_away.name, cursor=before[-1].cursor)

        numbers = [event.sequence for event in before + resumed]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        self.assertEqual((resumed[-1].resource, resumed[-1].kind), (while_away.name, "case.opened"))

    def test_the_list_of_events_is_the_same_order_as_the_watch(self):
        case = self.open_case()
        watched = self.watch(resource=case.name)

        listed, token = [], ""
        while len(listed) < len(watched):
            request = api.event_service.ListEventsRequest(page_size=7, page_token=token, actor=self.sez.actor)
            page = self.sez.ask(self.sez.care.events.ListEvents, request)
            listed, token = listed + list(page.events), page.next_page_token

        self.assertEqual(listed[:len(watched)], watched)

    def test_an_invented_cursor_is_refused(self):
        with self.assertRaises(Refused) as caught:
            self.watch(count=1, cursor="verzonnen")

        self.assertIn(caught.exception.reason, ("INVALID_FIELD", "CURSOR_EXPIRED"))


class ANo(Story):
    def test_what_the_covenant_refuses_names_the_clause_the_reason_and_the_remedy_in_dutch(self):
        grown_up = self.open_case(birth_date="2004-05-04")

        with self.assertRaises(Refused) as caught:
            self.offer_to(ENTREA, grown_up)

        refusal = caught.exception
        self.assertEqual((refusal.reason, refusal.code.name, refusal.clause, refusal.locale), ("COVENANT_DENIED", "PERMISSION_DENIED", "4.1", "nl"))
        self.assertIn("convenant", refusal.text)
        self.assertIn("artikel 4.1", refusal.text)
        self.assertIn("Lees het genoemde artikel; bel bij nood de genoemde organisatie.", refusal.text)
        self.assertEqual(self.get_case(grown_up.name).open_handover, "")

    def test_the_same_no_is_english_for_who_prefers_english(self):
        english = federation.gateway(SEZ).person("worker", language="en, nl;q=0.5")
        grown_up = self.open_case(birth_date="2004-05-04")

        with self.assertRaises(Refused) as caught:
            self.offer_to(ENTREA, grown_up, by=english)

        self.assertEqual((caught.exception.reason, caught.exception.locale), ("COVENANT_DENIED", "en"))
        self.assertIn("Read the named clause", caught.exception.text)

    def test_asking_the_covenant_beforehand_gives_the_same_no_as_trying(self):
        ask = api.covenant_service.CheckCovenantRequest
        question = ask(sender=SEZ, receiver=ENTREA, act=ask.ACT_HAND_OVER, service="ambulante-spoedhulp", age=22, municipality="0268", urgency="spoed")

        no = self.sez.ask(self.sez.care.covenants.CheckCovenant, question)
        question.age = 15
        yes = self.sez.ask(self.sez.care.covenants.CheckCovenant, question)

        self.assertEqual((no.allowed, no.reason, no.clause), (False, "COVENANT_DENIED", "4.1"))
        self.assertEqual((yes.allowed, yes.clause), (True, "4.1"))
        self.assertIn(ENTREA, yes.candidates)

    def test_the_commissioner_asks_nothing_about_a_case_and_finds_none(self):
        commissioner = federation.gateway(G7).person("worker")
        case = self.open_case()
        request = api.consultation_service.CreateConsultationRequest(
            anonymous=api.consultation_service.AnonymousAbout(age=14), service="crisisinterventie", urgency="spoed",
            question="Hoe gaat het?", candidates=[SEZ], request_id=new_id(), actor=commissioner.actor,
        )

        self.refused("COVENANT_DENIED", "PERMISSION_DENIED", commissioner.care.consultations.CreateConsultation, request, by=commissioner)
        look = api.case_service.GetCaseRequest(name=case.name, view=api.common.VIEW_FULL, actor=commissioner.actor)
        self.refused("NOT_FOUND", "NOT_FOUND", commissioner.care.cases.GetCase, look, by=commissioner)

    def test_the_commissioner_is_offered_no_case(self):
        case = self.open_case()

        with self.assertRaises(Refused) as caught:
            self.offer_to(G7, case)

        self.assertEqual(caught.exception.reason, "COVENANT_DENIED")
        self.assertEqual(self.get_case(case.name).responsibility.lead, SEZ)

    def test_a_case_does_not_exist_for_an_organisation_outside_it(self):
        case = self.open_case()
        look = api.case_service.GetCaseRequest(name=case.name)

        self.refused("NOT_FOUND", "NOT_FOUND", self.ggnet.care.cases.GetCase, look, by=self.ggnet)

    def test_an_auditor_sees_no_case_and_a_worker_sees_no_log(self):
        auditor = federation.gateway(SEZ).person("auditor")
        look = api.case_service.GetCaseRequest(name=self.open_case().name)

        self.refused("ROLE_DENIED", "PERMISSION_DENIED", auditor.care.cases.GetCase, look, by=auditor)
        checkpoint = api.audit_service.GetCheckpointRequest()
        self.refused("ROLE_DENIED", "PERMISSION_DENIED", self.sez.audit.log.GetCheckpoint, checkpoint)

    def test_who_shows_nothing_or_the_token_of_another_organisation_stays_outside(self):
        stranger, look = federation.gateway(SEZ).stranger(), api.case_service.ListCasesRequest()
        self.refused("UNAUTHENTICATED", "UNAUTHENTICATED", stranger.care.cases.ListCases, look, by=stranger)

        stranger.metadata = self.ggnet.metadata

        self.refused("UNAUTHENTICATED", "UNAUTHENTICATED", stranger.care.cases.ListCases, look, by=stranger)


if __name__ == "__main__":
    build(sys.argv[2])
    federation = Federation(pathlib.Path(sys.argv[1]))
    sys.exit(runner.run(sys.modules[__name__]))
