------------------------------- MODULE Ledger -------------------------------
(***************************************************************************)
(* The lease and commit protocol of services/ledger, as the functions in   *)
(* services/ledger/lua make it: each of them is one action here and bears  *)
(* its name, since Redis runs each as one step; but turns.lua is two,      *)
(* Contribute and Lease, with more between them than can happen.  What the *)
(* C code does between two functions (sync.c, group.c, commit.c) is the    *)
(* `step` of a request; anything may happen in between.  README.md tells   *)
(* it in plain words.                                                      *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets, TLC

CONSTANTS
    Rounds,      \* rounds of the run
    Slots,       \* places of a round, at most
    Lag,         \* rounds that are open besides the next one
    Plans,       \* the plans that a round may be opened with; see below
    Evaluator,   \* the place that each piece of an evaluation is; see below
    Quorum,      \* records with which a round may be closed once its time is over; 0: each place is waited for
    Every,       \* an evaluation every so many rounds, and at the end; 0: none
    Chunks,      \* pieces of an evaluation
    Wants,       \* leases that a worker holds, at most: the one that it computes, and those ahead
    Connections, \* requests that a worker has under way, at most
    Reach,       \* rounds that one reply carries
    Processes,   \* worker processes; each may die and come back
    Keys,        \* "none": a worker that joins has a new number; "own": each process has a key; "one": all have one
    Clocks,      \* TRUE: copies of the ledger have different clocks
    Requests,    \* requests that the copies of the ledger can have in progress, all copies together
    Joins,       \* numbers that are given to workers, at most
    Pauses,      \* how often somebody pauses the run, at most
    Imports,     \* rounds that are imported, at most
    Faults,      \* lost answers, dead ledgers, and dead workers that have a key, at most; Endless: no bound
    Endless,
    SlotsOnly,   \* processes without dev data
    Broken       \* what is taken out of the functions, or "nothing"; a configuration without_* names it

VARIABLES
    \* Redis; the keys of common.lua
    status, head, log, plans, open, lapsed, closed, free, holders, joined, keys, left, chunks, evaluations, queued,
    \* requests in progress, and processes
    request, process,
    \* bounds, and what was promised
    pauses, imports, faults, acknowledged

rounds == <<head, log, plans, open, lapsed, closed>>
workers == <<joined, keys, left>>
evaluated == <<chunks, evaluations, queued>>
redis == <<status, rounds, free, holders, workers, evaluated>>
bounds == <<pauses, imports, faults>>
vars == <<redis, request, process, bounds, acknowledged>>

-----------------------------------------------------------------------------
(* Names *)

Slot(round, index) == [kind |-> "s", round |-> round, index |-> index]
Chunk(round, index) == [kind |-> "e", round |-> round, index |-> index]
SlotNumbers == 0 .. Slots - 1
ChunkNumbers == 0 .. Chunks - 1

\* common.lua: turn_of.  Evaluations before slots, older rounds before younger ones.
TurnOf(work) == (2 * work.round + (IF work.kind = "s" THEN 1 ELSE 0)) * 16 + work.index

\* The `count` first of `all`, by turn.
RECURSIVE First(_, _)
First(all, count) ==
    IF all = {} \/ count = 0 THEN {}
    ELSE LET first == CHOOSE w \in all : \A v \in all : TurnOf(w) <= TurnOf(v)
         IN {first} \cup First(all \ {first}, count - 1)

Without(function, gone) == [k \in DOMAIN function \ gone |-> function[k]]
Nothing == [k \in {} |-> 0]

-----------------------------------------------------------------------------
(* A plan comes from outside (plan.c) with the call that opens the round.  It says which places the round has; to whom
   each may be given, a worker's number or Anyone; and whether a place whose time is over lapses: then its round waits
   for it no longer.  Its worker may still be given it, and what comes before the round is full counts. *)

Anyone == 0
Place(to, lapses) == [to |-> to, lapses |-> lapses]

\* A configuration chooses one of these as Evaluator,
Whoever == Place(Anyone, FALSE)
TheFirst == Place(1, TRUE)

\* and one of these as Plans.
ForAnyone == {[s \in SlotNumbers |-> Place(Anyone, FALSE)]}
AddressedToTheFirst == {[s \in SlotNumbers |-> IF s = 0 THEN Place(1, TRUE) ELSE Place(Anyone, FALSE)]}
WaitsForTheFirst == {[s \in SlotNumbers |-> Place(1, FALSE)]}
AddressedToEach == {[s \in SlotNumbers |-> Place(s + 1, TRUE)]}
\* Whom the plan names, and what becomes of the place, is another thing each time.
Various == [{0} -> {Place(1, TRUE), Place(2, TRUE), Place(Anyone, FALSE)}]

PlacesOf(round, plan) == {Slot(round, s) : s \in DOMAIN plan}
AllPlaces(some) == UNION {PlacesOf(r, some[r]) : r \in DOMAIN some}

\* The rounds that are open once h are committed, and the one that is opened then.
OpenRounds(h) == {r \in h .. h + Lag : r < Rounds}
Opened(h) == IF Broken = "opening" THEN {} ELSE {r \in {h + Lag} : r < Rounds}

\* The evaluation that is begun once h rounds are committed.
Evaluation(h) == IF Every > 0 /\ (h % Every = 0 \/ h = Rounds) THEN {Chunk(h, c) : c \in ChunkNumbers} ELSE {}

PlanOf(work) == IF work.kind = "e" THEN Evaluator ELSE plans[work.round][work.index]
IsFor(worker, work) == PlanOf(work).to \in {Anyone, worker}
MayHave(worker, work) == IsFor(worker, work) \/ Broken = "addressee"

\* The places of a round among some work.
Of(round, works) == {w \in works : w.kind = "s" /\ w.round = round}
Records(round) == [s \in {w.index : w \in Of(round, DOMAIN open)} |-> open[Slot(round, s)]]

\* common.lua: is_full
Full(round) == (closed /\ round = head) \/ PlacesOf(round, plans[round]) \subseteq DOMAIN open
Ready == {r \in DOMAIN plans : Full(r) /\ (r = head \/ Broken = "order")}
IsFull == Ready # {}

Leased == DOMAIN holders
Outstanding == free \cup Leased
HeldBy(worker) == {w \in Leased : holders[w] = worker}

\* The codes that `worker` found for a slot.  Who made them for which round is all that matters here.
Codes(worker, work) == [worker |-> worker, round |-> work.round, slot |-> work.index]

-----------------------------------------------------------------------------
(* A process is away, or has a number, a replica that applied some rounds, leases, and results that are to be sent.  A
   request bears what was sent, as long as somebody waits for its answer, and the step that comes next.  `from`: the
   process that waits, or Nobody, since that one died or gave up. *)

Nobody == "nobody"
Away == [number |-> 0, applied |-> <<>>, leases |-> {}, results |-> {}, ended |-> FALSE]
Idle == [step |-> "idle"]

Init ==  \* create.lua
    /\ status = "running" /\ head = 0 /\ log = <<>>
    /\ plans \in [OpenRounds(0) -> Plans]
    /\ open = Nothing /\ lapsed = {} /\ closed = FALSE
    /\ free = Evaluation(0) \cup AllPlaces(plans) /\ holders = Nothing
    /\ joined = 0 /\ keys = Nothing /\ left = {}
    /\ chunks = Nothing /\ evaluations = {} /\ queued = <<>>
    /\ request = [t \in Requests |-> Idle]
    /\ process = [p \in Processes |-> Away]
    /\ pauses = 0 /\ imports = 0 /\ faults = 0 /\ acknowledged = {}

Fault == IF Faults = Endless THEN UNCHANGED faults ELSE faults < Faults /\ faults' = faults + 1

\* request t goes on as `asked`; an answer that nobody waits for is not made.
GoOn(t, asked) ==
    request' = [request EXCEPT ![t] = IF asked.step = "answer" /\ asked.from = Nobody THEN Idle ELSE asked]

-----------------------------------------------------------------------------
(* The functions of services/ledger/lua *)

\* join.lua, and the worker that asked for it.  A key that is known gives the number that it gave before.  What that
\* worker held is to be given again.
KeyOf(p) == IF Keys = "own" THEN p ELSE Keys

Join(p) ==
    LET known == Keys # "none" /\ KeyOf(p) \in DOMAIN keys
        number == IF known THEN keys[KeyOf(p)] ELSE joined + 1
        held == HeldBy(number)
    IN
    /\ process[p].number = 0 /\ ~process[p].ended /\ (known \/ joined < Joins)
    /\ joined' = IF known THEN joined ELSE number
    /\ keys' = IF Keys = "none" THEN keys ELSE (KeyOf(p) :> number) @@ keys
    /\ left' = left \ {number}
    /\ free' = free \cup held /\ holders' = Without(holders, held)
    /\ process' = [process EXCEPT ![p].number = number]
    /\ UNCHANGED <<status, rounds, evaluated, request, bounds, acknowledged>>

\* Where a record for `work` goes: into its own place.
Target(work) ==
    IF Broken = "round" /\ work.kind = "s" /\ work.round \notin DOMAIN plans THEN Slot(head, work.index) ELSE work

\* What becomes of the result `work` of `worker`: take_record and take_sums
Outcome(worker, work) ==
    LET place == Target(work) IN
    IF work.kind = "s" THEN
        IF place.round \notin DOMAIN plans THEN "late"
        ELSE IF place \in DOMAIN open /\ Broken # "first" THEN IF open[place].worker = worker THEN "known" ELSE "late"
        ELSE IF closed /\ place.round = head /\ Broken # "close" THEN "late"
        ELSE IF place.index \notin DOMAIN plans[place.round] \/ ~MayHave(worker, place) THEN "late"
        ELSE "taken"
    ELSE IF ~MayHave(worker, work) THEN "late"
    ELSE IF work \in DOMAIN chunks THEN IF chunks[work] = worker THEN "known" ELSE "late"
    ELSE IF work \notin Outstanding THEN "late" ELSE "taken"

\* Every order of a set: results may be taken in any.
Orders(set) == {s \in [1 .. Cardinality(set) -> set] : \A i, j \in DOMAIN s : i # j => s[i] # s[j]}

\* take_chunk, of the pieces of work `taken`; finish_evaluation, where those were the last
TakeChunks(worker, taken) ==
    LET all == chunks @@ [w \in taken |-> worker]
        done == {at \in 0 .. Rounds : Chunks > 0 /\ \A c \in ChunkNumbers : Chunk(at, c) \in DOMAIN all}
    IN
    /\ chunks' = Without(all, {Chunk(at, c) : at \in done, c \in ChunkNumbers})
    /\ evaluations' = evaluations \cup done
    /\ \E order \in Orders(done) : queued' = queued \o order

\* The first half of turns.lua, for one turn of it: all results of a request at once.  Those of a request are of
\* different pieces of work.
Contribute(t) ==
    LET asked == request[t]
        taken == {w \in asked.results : Outcome(asked.worker, w) = "taken"}
        known == {w \in asked.results : Outcome(asked.worker, w) = "known"}
        slots == {w \in taken : w.kind = "s"}
    IN
    /\ asked.step = "contribute"
    /\ open' = [place \in {Target(w) : w \in slots} |->
                    Codes(asked.worker, CHOOSE w \in slots : Target(w) = place)] @@ open
    /\ lapsed' = lapsed \ slots
    /\ free' = free \ taken
    /\ holders' = Without(holders, taken)
    /\ TakeChunks(asked.worker, taken \ slots)
    /\ acknowledged' = acknowledged \cup {[worker |-> asked.worker, work |-> w] : w \in taken \cup known}
    /\ GoOn(t, [asked EXCEPT !.step = "lease", !.results = {}])
    /\ UNCHANGED <<status, head, log, plans, closed, workers, process, bounds>>

\* common.lua: a part of is_full.  A quorum is in, and its time is over or all others have lapsed: that may be at any
\* moment, also before the function that looks; so it is an action of its own.
Close ==
    /\ head \in DOMAIN plans /\ ~closed /\ Cardinality(Of(head, DOMAIN open)) >= Quorum
    /\ Quorum > 0 \/ PlacesOf(head, plans[head]) \subseteq DOMAIN open \cup lapsed
    /\ ~Full(head)
    /\ closed' = TRUE
    /\ UNCHANGED <<status, head, log, plans, open, lapsed, free, holders, workers, evaluated, request, process, bounds,
                   acknowledged>>

\* What a request does after the commit, or where there was nothing to commit: one without a lease asks again (group.c).
AfterCommit(asked) ==
    IF asked.grant # {} THEN [asked EXCEPT !.step = "answer"]
    ELSE [asked EXCEPT !.step = "lease", !.head = 0, !.over = FALSE]

\* gather.lua.  The time of the commit is this copy's own: two copies make different bytes of one round, if their clocks
\* differ.
Gather(t) ==
    LET asked == request[t] IN
    /\ asked.step = "gather"
    /\ IF IsFull
       THEN \E r \in Ready :
            GoOn(t, [asked EXCEPT !.step = "commit",
                         !.made = <<[number |-> r, slots |-> Records(r), lapsed |-> Of(r, lapsed), plan |-> plans[r],
                                     evaluations |-> queued, time |-> IF Clocks THEN t ELSE 0]>>,
                         !.chain = log])  \* a hash over the log stands for the log
       ELSE GoOn(t, AfterCommit(asked))
    /\ UNCHANGED <<redis, process, bounds, acknowledged>>

Follows(t) == head = request[t].made[1].number /\ log = request[t].chain /\ IsFull

\* commit.lua.  The plan of the round that it opens comes with it.  With a lag the next may be full too (commit.c).
Commit(t) ==
    LET asked == request[t]
        round == asked.made[1]
        next == head + 1
        missing == Of(round.number, Outstanding)  \* nobody needs them any more
        done == [asked EXCEPT !.made = <<>>, !.chain = <<>>]
    IN
    /\ asked.step = "commit"
    /\ IF head > round.number /\ Broken # "commit"
       THEN UNCHANGED redis
       ELSE /\ Follows(t) \/ Broken # "nothing"  \* else CONFLICT: NoConflict says that this never happens
            /\ log' = Append(log, round)
            /\ head' = next
            /\ \E new \in [Opened(next) -> Plans] :
                   /\ plans' = new @@ Without(plans, {round.number})
                   /\ free' = (free \ missing) \cup Evaluation(next) \cup AllPlaces(new)
            /\ holders' = Without(holders, missing)
            /\ open' = Without(open, Of(round.number, DOMAIN open))
            /\ lapsed' = lapsed \ Of(round.number, lapsed)
            /\ closed' = FALSE
            /\ queued' = SubSeq(queued, Len(round.evaluations) + 1, Len(queued))
            /\ status' = IF next = Rounds THEN "complete" ELSE status
            /\ UNCHANGED <<workers, chunks, evaluations>>
    /\ GoOn(t, IF Lag > 0 THEN [done EXCEPT !.step = "gather"] ELSE AfterCommit(done))
    /\ UNCHANGED <<process, bounds, acknowledged>>

\* turns.lua: choose.  What is for this worker alone comes first.
Choose(worker, all, count) ==
    LET own == First({w \in all : PlanOf(w).to = worker}, count)
    IN own \cup First(all \ own, count - Cardinality(own))

\* The second half of turns.lua, for one turn of it, without its expire(now): that is Tick and Lapse, just before.
\* `again`: the last look of a request (sync.c).  Of a round that is full nothing is given, and the caller commits it.
Lease(t) ==
    LET asked == request[t]
        stranger == asked.worker \in left /\ ~asked.leaving /\ Broken # "rejoin"
        refused == status = "paused" \/ asked.worker \in left \/ head - asked.cursor > Reach
        mayDo == {w \in free : MayHave(asked.worker, w) /\ (asked.evaluates \/ w.kind = "s")}
        taken == Choose(asked.worker, IF IsFull THEN mayDo \ Of(head, mayDo) ELSE mayDo, asked.wants)
    IN
    /\ asked.step = "lease"
    /\ \E again \in BOOLEAN :
       LET chosen == IF refused THEN {}
                     ELSE IF taken = {} /\ again /\ ~asked.ahead /\ ~IsFull
                     THEN First(HeldBy(asked.worker), asked.wants) ELSE taken
           \* turns.lua: status_for.  Whoever can evaluate stays while there is something left to do.
           over == status = "complete" /\ (Outstanding = {} \/ ~asked.evaluates)
       IN
       \* sync.c: is_quiet.  Such a request waits, and looks again.
       /\ again \/ asked.leaving \/ stranger \/ chosen # {} \/ head > asked.cursor \/ over
       /\ free' = free \ chosen
       /\ holders' = [w \in chosen |-> asked.worker] @@ holders
       /\ GoOn(t, [asked EXCEPT !.step = IF IsFull THEN "gather" ELSE IF asked.leaving THEN "leave" ELSE "answer",
                                !.grant = chosen, !.head = head, !.over = over, !.stranger = stranger /\ ~IsFull])
    /\ UNCHANGED <<status, rounds, workers, evaluated, process, bounds, acknowledged>>

\* leave.lua
Leave(t) ==
    LET held == HeldBy(request[t].worker) IN
    /\ request[t].step = "leave"
    /\ free' = free \cup held
    /\ holders' = Without(holders, held)
    /\ left' = left \cup {request[t].worker}
    /\ request' = [request EXCEPT ![t] = Idle]  \* the worker that left does not wait
    /\ UNCHANGED <<status, rounds, joined, keys, evaluated, process, bounds, acknowledged>>

\* import.lua: a round that was made elsewhere follows the log.  What was open is void, also what was acknowledged of
\* it.  (Without evaluations: those under way begin anew, of the last state that wants one.)
Import ==
    LET round == [number |-> head, slots |-> [s \in SlotNumbers |-> Codes(0, Slot(head, s))], lapsed |-> {},
                  plan |-> [s \in SlotNumbers |-> Place(Anyone, FALSE)], evaluations |-> <<>>, time |-> "elsewhere"]
        next == head + 1
    IN
    /\ imports < Imports /\ head < Rounds
    /\ imports' = imports + 1
    /\ log' = Append(log, round)
    /\ head' = next
    /\ open' = Nothing /\ lapsed' = {} /\ closed' = FALSE /\ holders' = Nothing /\ chunks' = Nothing
    /\ plans' \in [OpenRounds(next) -> Plans]
    /\ free' = Evaluation(next) \cup AllPlaces(plans')
    /\ status' = IF next = Rounds THEN "complete" ELSE status
    /\ acknowledged' = {a \in acknowledged : a.work.kind # "s" \/ a.work.round < head}
    /\ UNCHANGED <<workers, evaluations, queued, request, process, pauses, faults>>

\* tick.lua: the time of a lease is over.  That may be at any moment, for every computer's clock and load are its own.
Tick(work) ==
    /\ work \in Leased
    /\ free' = free \cup {work}
    /\ holders' = Without(holders, {work})
    /\ UNCHANGED <<status, rounds, workers, evaluated, request, process, bounds, acknowledged>>

\* The time of what lapses is over: its round waits for it no longer, and a chunk has no examples (author 0).  A
\* lease of it is over too.
Lapse(work) ==
    /\ work \in Outstanding \ lapsed /\ PlanOf(work).lapses /\ status # "paused"
    /\ holders' = Without(holders, {work})
    /\ IF work.kind = "s"
       THEN /\ lapsed' = lapsed \cup {work} /\ free' = free \cup {work}
            /\ UNCHANGED evaluated
       ELSE /\ TakeChunks(0, {work}) /\ free' = free \ {work}
            /\ UNCHANGED lapsed
    /\ UNCHANGED <<status, head, log, plans, open, closed, workers, request, process, bounds, acknowledged>>

\* pause.lua
Pause ==
    /\ pauses < Pauses /\ status = "running"
    /\ status' = "paused" /\ pauses' = pauses + 1
    /\ UNCHANGED <<rounds, free, holders, workers, evaluated, request, process, imports, faults, acknowledged>>

Resume ==
    /\ status = "paused" /\ status' = "running"
    /\ UNCHANGED <<rounds, free, holders, workers, evaluated, request, process, bounds, acknowledged>>

-----------------------------------------------------------------------------
(* Workers: libs/client, services/worker *)

Cursor(p) == Len(process[p].applied)

\* A slot of round r is computed at the state before round r - Lag, to which a replica can go back.
HasState(p, work) == IF work.kind = "s" THEN work.round <= Cursor(p) + Lag ELSE work.round <= Cursor(p)
CanDo(p, work) == HasState(p, work) /\ IF work.kind = "s" THEN work.round >= Cursor(p) ELSE p \notin SlotsOnly

\* The requests that p waits for.
WaitsFor(p) == {t \in Requests : request[t].step # "idle" /\ request[t].from = p}
Sent(p) == UNION {request[t].sent : t \in WaitsFor(p)}

\* pipeline.c: it computes while it talks.
Compute(p) ==
    /\ process[p].number # 0 /\ process[p].leases # {}
    /\ LET next == CHOOSE w \in process[p].leases : \A v \in process[p].leases : TurnOf(w) <= TurnOf(v)
       IN process' = [process EXCEPT ![p] =
              [@ EXCEPT !.leases = @ \ {next}, !.results = IF CanDo(p, next) THEN @ \cup {next} ELSE @]]
    /\ UNCHANGED <<redis, request, bounds, acknowledged>>

\* pipeline.c: leases_wanted.  With nothing to compute, one; else those ahead, now or later; one request asks.
Wanted(p) ==
    LET in_hand == Cardinality(process[p].leases) IN
    IF \E t \in WaitsFor(p) : request[t].wants > 0 THEN {0}
    ELSE IF in_hand = 0 THEN {1} ELSE {0, Wants - in_hand}

Asked(p, wants, leaving) ==
    [step |-> IF process[p].results = {} THEN "lease" ELSE "contribute", from |-> IF leaving THEN Nobody ELSE p,
     worker |-> process[p].number, cursor |-> Cursor(p), wants |-> wants,
     ahead |-> wants > 0 /\ process[p].leases # {}, results |-> process[p].results,
     sent |-> IF leaving THEN {} ELSE process[p].results, leaving |-> leaving, evaluates |-> p \notin SlotsOnly,
     made |-> <<>>, chain |-> <<>>, grant |-> {}, head |-> 0, over |-> FALSE, stranger |-> FALSE]

\* A request arrives at a copy of the ledger.
Sync(p, t) ==
    /\ process[p].number # 0 /\ Cardinality(WaitsFor(p)) < Connections
    /\ request[t].step = "idle"
    /\ \E wants \in Wanted(p) :
           /\ wants > 0 \/ process[p].results # {}
           /\ request' = [request EXCEPT ![t] = Asked(p, wants, FALSE)]
    /\ process' = [process EXCEPT ![p].results = {}]
    /\ UNCHANGED <<redis, bounds, acknowledged>>

\* Somebody must be left to do the work.
MayStop(p) == IF Keys = "none" THEN joined < Joins /\ UNCHANGED faults ELSE Fault

\* SIGTERM: it says so, with what it has.  Whether it waits for the answer makes no difference.
Goodbye(p, t) ==
    /\ process[p].number # 0 /\ WaitsFor(p) = {} /\ request[t].step = "idle"
    /\ MayStop(p)
    /\ request' = [request EXCEPT ![t] = Asked(p, 0, TRUE)]
    /\ process' = [process EXCEPT ![p] = Away]
    /\ UNCHANGED <<redis, pauses, imports, acknowledged>>

\* The answer to t does not come: what was sent is to be sent again.
Unanswered(t) ==
    IF request[t].from = Nobody THEN process ELSE [process EXCEPT ![request[t].from].results = @ \cup request[t].sent]

\* The rounds after the cursor are read, after turns.lua, and the answer goes out.  The worker applies those that it has
\* not, and has the leases of this answer besides its others (received.c, in_hand.c).
Answer(t) ==
    LET asked == request[t]
        p == asked.from
        own == process[p]
        last == IF Len(log) - asked.cursor > Reach THEN asked.cursor + Reach ELSE Len(log)
        news == IF asked.head > Cursor(p) THEN SubSeq(log, Cursor(p) + 1, last) ELSE <<>>
        applied == own.applied \o news
        leases == (own.leases \cup asked.grant) \ (own.results \cup Sent(p))
        ends == asked.over /\ Len(applied) >= asked.head /\ leases = {} /\ own.results = {} /\ WaitsFor(p) = {t}
    IN
    /\ asked.step = "answer"
    /\ process' = IF asked.stranger THEN [Unanswered(t) EXCEPT ![p].number = 0]
                  ELSE [process EXCEPT ![p] =
                      IF ends THEN [Away EXCEPT !.applied = applied, !.ended = TRUE]
                      ELSE [own EXCEPT !.applied = applied, !.leases = leases]]
    /\ request' = [request EXCEPT ![t] = Idle]
    /\ UNCHANGED <<redis, bounds, acknowledged>>

-----------------------------------------------------------------------------
(* Faults *)

\* Nobody waits for t any longer; it goes on in the ledger, or is still on its way there.
Abandoned(t) == IF request[t].step = "answer" THEN Idle ELSE [request[t] EXCEPT !.from = Nobody, !.sent = {}]

\* kill -9 of a worker.  Requests that it sent go on in the ledger.
WorkerDies(p) ==
    /\ process[p].number # 0 /\ MayStop(p)
    /\ process' = [process EXCEPT ![p] = Away]
    /\ request' = [t \in Requests |-> IF t \in WaitsFor(p) THEN Abandoned(t) ELSE request[t]]
    /\ UNCHANGED <<redis, pauses, imports, acknowledged>>

\* The answer does not come in time, or the connection breaks: the worker will send the same again, to any copy.
GivesUp(t) ==
    /\ request[t].step # "idle" /\ request[t].from # Nobody
    /\ Fault
    /\ process' = Unanswered(t)
    /\ request' = [request EXCEPT ![t] = Abandoned(t)]
    /\ UNCHANGED <<redis, pauses, imports, acknowledged>>

\* kill -9 of a ledger between any two of its steps, or Redis away, or its reply lost: the request ends without answer.
\* A worker that does not notice at once does nothing meanwhile that it could not do later.
LedgerDies(t) ==
    /\ request[t].step # "idle"
    /\ Fault
    /\ process' = Unanswered(t)
    /\ request' = [request EXCEPT ![t] = Idle]
    /\ UNCHANGED <<redis, pauses, imports, acknowledged>>

-----------------------------------------------------------------------------

GoesOn(t) == Contribute(t) \/ Gather(t) \/ Commit(t) \/ Lease(t) \/ Leave(t) \/ Answer(t)

AllWork == {Slot(r, s) : r \in 0 .. Rounds - 1, s \in SlotNumbers} \cup
           {Chunk(r, c) : r \in 0 .. Rounds, c \in ChunkNumbers}

Next ==
    \/ \E t \in Requests : GoesOn(t) \/ GivesUp(t) \/ LedgerDies(t)
    \/ \E p \in Processes :
           Join(p) \/ Compute(p) \/ WorkerDies(p) \/ \E t \in Requests : Sync(p, t) \/ Goodbye(p, t)
    \/ \E work \in AllWork : Tick(work) \/ Lapse(work)
    \/ Close \/ Pause \/ Resume \/ Import

\* Whoever can go on does so some day; nobody is made to fail.
Fairness ==
    /\ \A t \in Requests : WF_vars(GoesOn(t))
    /\ \A p \in Processes : WF_vars(Join(p)) /\ WF_vars(Compute(p)) /\ SF_vars(\E t \in Requests : Sync(p, t))
    /\ \A work \in AllWork : WF_vars(Tick(work)) /\ WF_vars(Lapse(work))
    /\ WF_vars(Close) /\ WF_vars(Resume)

Spec == Init /\ [][Next]_vars /\ Fairness

\* Copies of the ledger are alike, and so are workers.
Alike == Permutations(Processes) \cup Permutations(Requests)

-----------------------------------------------------------------------------
(* What must hold; README.md says it in words *)

InLog(codes) == {r \in 1 .. Len(log) : \E s \in DOMAIN log[r].slots : log[r].slots[s] = codes}
InOpen(codes) == {place \in DOMAIN open : open[place] = codes}

\* An acknowledged code is in the log exactly once, or in an open round, from where the commit takes it.
AcknowledgedOnce ==
    \A a \in acknowledged : a.work.kind = "s" =>
        LET codes == Codes(a.worker, a.work) IN Cardinality(InLog(codes)) + Cardinality(InOpen(codes)) = 1

\* An evaluation whose every chunk was acknowledged is in the log at most once, and in it or on its way there.
EvaluationsOnce ==
    LET logged(at) == {<<r, i>> \in (1 .. Len(log)) \X (1 .. Rounds + 1) :
                           i <= Len(log[r].evaluations) /\ log[r].evaluations[i] = at}
        waiting(at) == {i \in 1 .. Len(queued) : queued[i] = at}
    IN \A at \in 0 .. Rounds :
           Cardinality(logged(at)) + Cardinality(waiting(at)) = IF at \in evaluations THEN 1 ELSE 0

\* Round r stands at place r.  Each place of its plan has a code that was computed for this round and slot, or had
\* lapsed; or a quorum has.
LogInOrder ==
    /\ head = Len(log) /\ head <= Rounds
    /\ \A r \in 1 .. Len(log) :
           LET filled == DOMAIN log[r].slots
               without == {w.index : w \in log[r].lapsed}
           IN
           /\ log[r].number = r - 1
           /\ filled \subseteq DOMAIN log[r].plan /\ filled \cap without = {}
           /\ \A s \in without : log[r].plan[s].lapses
           /\ filled \cup without = DOMAIN log[r].plan \/ Quorum > 0
           /\ filled = DOMAIN log[r].plan \/ Cardinality(filled) >= Quorum
           /\ \A s \in filled : log[r].slots[s].round = r - 1 /\ log[r].slots[s].slot = s

\* No replica ever applied anything but the log's rounds, each once, in their order.
AppliedOnce ==
    \A p \in Processes :
        LET applied == process[p].applied IN Len(applied) <= Len(log) /\ applied = SubSeq(log, 1, Len(applied))

\* Open are the rounds head .. head + Lag, no others.
OpenInOrder == DOMAIN plans = OpenRounds(head)

\* A piece of work is free, or leased, or done: never two of them, and never lost.  What has lapsed is not done.
WorkInOnePlace ==
    /\ free \cap Leased = {}
    /\ \A w \in AllPlaces(plans) : (w \in Outstanding) # (w \in DOMAIN open)
    /\ \A w \in Outstanding \cup DOMAIN open : w.kind = "s" => w \in AllPlaces(plans)
    /\ \A w \in lapsed : w \in Outstanding /\ PlanOf(w).lapses
    /\ \A r \in 0 .. head : \A w \in Evaluation(r) :
           Cardinality({place \in 1 .. 3 : (place = 1 /\ w \in Outstanding) \/ (place = 2 /\ w \in DOMAIN chunks)
                                           \/ (place = 3 /\ r \in evaluations)}) = 1

\* A place that is somebody's is leased to nobody else, and no other's codes are in it.
AddresseeAlone ==
    /\ \A w \in Leased : IsFor(holders[w], w)
    /\ \A w \in DOMAIN open : IsFor(open[w].worker, w)
    /\ \A w \in DOMAIN chunks : chunks[w] = 0 \/ IsFor(chunks[w], w)
    /\ \A r \in 1 .. Len(log) : \A s \in DOMAIN log[r].slots :
           log[r].plan[s].to \in {Anyone, log[r].slots[s].worker}

\* A worker has the state at which what it was given is computed.
HasStates == \A p \in Processes : \A w \in process[p].leases : HasState(p, w)

\* No two processes have the same number, unless they have the same key.
NumbersApart ==
    \A p, q \in Processes : p # q /\ process[p].number # 0 /\ process[p].number = process[q].number => Keys = "one"

\* A copy that made a round finds it committed, or may commit it, and then it is all that was taken.
NoConflict ==
    \A t \in Requests : request[t].step = "commit" =>
        LET made == request[t].made[1] IN
        \/ head > made.number
        \/ Follows(t) /\ made.slots = Records(head)

\* A committed round never changes.
CommittedStays == [][Len(log') >= Len(log) /\ SubSeq(log', 1, Len(log)) = log]_vars

\* What is open keeps its plan and its records, and a round that is full gets no more; an import alone voids them.
FullStays ==
    [][\A r \in DOMAIN plans : r \in DOMAIN plans' /\ imports' = imports =>
           /\ plans'[r] = plans[r]
           /\ \A w \in Of(r, DOMAIN open) : w \in DOMAIN open' /\ open'[w] = open[w]
           /\ Full(r) => Records(r)' = Records(r)]_vars

\* Every run ends: all rounds are committed, all evaluations done, and a worker that is there has all of it.
Ends == <>[](status = "complete" /\ Outstanding = {} /\ \A p \in Processes : process[p].ended \/ process[p].number = 0)
=============================================================================
