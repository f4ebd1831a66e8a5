------------------------------- MODULE Ledger -------------------------------
(***************************************************************************)
(* The lease and commit protocol of services/ledger, as the functions in   *)
(* services/ledger/lua make it: each of them is one action here and bears  *)
(* its name, since Redis runs each as one step; but turns.lua is two,      *)
(* Contribute and Lease, with more between them than can happen.  What the *)
(* C code does between two functions (turn.c, group.c, commit.c) is the    *)
(* `step` of a request; anything may happen in between.  README.md tells   *)
(* it in plain words.                                                      *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets, TLC

CONSTANTS
    Rounds,     \* rounds of the run
    Slots,      \* slots of a round
    Quorum,     \* slots with which a round may be closed once its time is over; 0: only a whole one is
    Every,      \* an evaluation every so many rounds, and at the end; 0: none
    Chunks,     \* pieces of an evaluation
    Wants,      \* leases that a worker asks for
    Reach,      \* rounds that one reply carries
    Processes,  \* worker processes; each may die and come back
    Requests,   \* requests that the copies of the ledger can have in progress, all copies together
    Joins,      \* how often a worker joins, at most: a new number each time
    Pauses,     \* how often somebody pauses the run, at most
    Imports,    \* rounds that are imported, at most
    Faults,     \* lost answers and dead ledgers, at most; Endless: no bound
    Endless,
    SlotsOnly,  \* processes without dev data
    Broken      \* what is taken out of the functions: "nothing", "commit", "first", "round" or "close"

VARIABLES
    \* Redis; the keys of common.lua
    status, head, log, open, closed, free, holders, joined, left, chunks, evaluations, queued,
    \* requests in progress, and processes
    request, process,
    \* bounds, and what was promised
    pauses, imports, faults, acknowledged

redis == <<status, head, log, open, closed, free, holders, joined, left, chunks, evaluations, queued>>
vars == <<redis, request, process, pauses, imports, faults, acknowledged>>

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

Without(function, keys) == [k \in DOMAIN function \ keys |-> function[k]]
Nothing == [k \in {} |-> 0]

\* common.lua: open_round
OpenRound(h) ==
    (IF Every > 0 /\ (h % Every = 0 \/ h = Rounds) THEN {Chunk(h, c) : c \in ChunkNumbers} ELSE {})
    \cup (IF h < Rounds THEN {Slot(h, s) : s \in SlotNumbers} ELSE {})

\* common.lua: is_full
IsFull == head < Rounds /\ (DOMAIN open = SlotNumbers \/ closed)

Leased == DOMAIN holders
Outstanding == free \cup Leased
HeldBy(worker) == {w \in Leased : holders[w] = worker}

\* The codes that `worker` found for a slot.  Who made them for which round is all that matters here.
Codes(worker, work) == [worker |-> worker, round |-> work.round, slot |-> work.index]

-----------------------------------------------------------------------------
(* A process is away, or has a number, a replica that applied some rounds, leases, and results nobody has answered.
   `waits`: the request that it waits for.  A request bears what was sent, and the step that comes next. *)

NoRequest == "none"
Away == [number |-> 0, applied |-> <<>>, leases |-> {}, results |-> {}, waits |-> NoRequest, ended |-> FALSE]
Idle == [step |-> "idle"]

Init ==  \* create.lua
    /\ status = "running" /\ head = 0 /\ log = <<>> /\ open = Nothing /\ closed = FALSE
    /\ free = OpenRound(0) /\ holders = Nothing /\ joined = 0 /\ left = {}
    /\ chunks = Nothing /\ evaluations = {} /\ queued = <<>>
    /\ request = [t \in Requests |-> Idle]
    /\ process = [p \in Processes |-> Away]
    /\ pauses = 0 /\ imports = 0 /\ faults = 0 /\ acknowledged = {}

Fault == IF Faults = Endless THEN UNCHANGED faults ELSE faults < Faults /\ faults' = faults + 1

\* request t goes on with `step`
GoOn(t, step) == request' = [request EXCEPT ![t].step = step]

-----------------------------------------------------------------------------
(* The functions of services/ledger/lua *)

\* join.lua, and the worker that asked for it
Join(p) ==
    /\ process[p].number = 0 /\ ~process[p].ended /\ joined < Joins
    /\ joined' = joined + 1
    /\ process' = [process EXCEPT ![p].number = joined + 1]
    /\ UNCHANGED <<status, head, log, open, closed, free, holders, left, chunks, evaluations, queued, request, pauses,
                   imports, faults, acknowledged>>

\* What becomes of the result `work` of `worker`: take_slot and take_chunk
Outcome(worker, work) ==
    IF work.kind = "s" THEN
        IF work.round = head /\ work.index \in DOMAIN open /\ Broken # "first" THEN
            IF open[work.index].worker = worker THEN "known" ELSE "late"
        ELSE IF (work.round # head /\ Broken # "round") \/ head >= Rounds \/ (closed /\ Broken # "close") THEN "late"
        ELSE "taken"
    ELSE IF work \in DOMAIN chunks THEN IF chunks[work] = worker THEN "known" ELSE "late"
    ELSE IF work \notin Outstanding THEN "late" ELSE "taken"

\* Every order of a set: who does not care in which order results are taken has thought of all of them.
Orders(set) == {s \in [1 .. Cardinality(set) -> set] : \A i, j \in DOMAIN s : i # j => s[i] # s[j]}

\* The first half of turns.lua, for one turn of it: all results of a request at once.  Those of a request are of
\* different pieces of work.
Contribute(t) ==
    LET asked == request[t]
        taken == {w \in asked.results : Outcome(asked.worker, w) = "taken"}
        known == {w \in asked.results : Outcome(asked.worker, w) = "known"}
        slots == {w \in taken : w.kind = "s"}
        all == chunks @@ [w \in taken \ slots |-> asked.worker]
        done == {at \in 0 .. Rounds : Chunks > 0 /\ \A c \in ChunkNumbers : Chunk(at, c) \in DOMAIN all}
        after == [i \in {w.index : w \in slots} |->
                      Codes(asked.worker, CHOOSE w \in slots : w.index = i)] @@ open
    IN
    /\ asked.step = "contribute"
    /\ open' = after
    /\ free' = free \ taken
    /\ holders' = Without(holders, taken)
    /\ chunks' = Without(all, {Chunk(at, c) : at \in done, c \in ChunkNumbers})  \* finish_evaluation
    /\ evaluations' = evaluations \cup done
    /\ \E order \in Orders(done) : queued' = queued \o order
    /\ acknowledged' = acknowledged \cup {[worker |-> asked.worker, work |-> w] : w \in taken \cup known}
    /\ request' = [request EXCEPT ![t] =
           [@ EXCEPT !.step = IF head < Rounds /\ (DOMAIN after = SlotNumbers \/ closed) THEN "gather" ELSE "lease",
                     !.results = {}]]
    /\ UNCHANGED <<status, head, log, closed, joined, left, process, pauses, imports, faults>>

\* common.lua: close, a part of is_full.  A quorum is in, and its time is over: that may be at any moment, also before
\* the function that looks; so it is an action of its own.
Close ==
    /\ Quorum > 0 /\ head < Rounds /\ ~closed /\ Cardinality(DOMAIN open) >= Quorum
    /\ closed' = TRUE
    /\ UNCHANGED <<status, head, log, open, free, holders, joined, left, chunks, evaluations, queued, request, process,
                   pauses, imports, faults, acknowledged>>

\* gather.lua.  The time of the commit is this copy's own: two copies make different bytes of one round.
Gather(t) ==
    /\ request[t].step = "gather"
    /\ IF IsFull
       THEN request' = [request EXCEPT ![t] =
                [@ EXCEPT !.step = "commit",
                          !.made = <<[number |-> head, slots |-> open, evaluations |-> queued, time |-> t]>>,
                          !.chain = log]]  \* a hash over the log stands for the log
       ELSE GoOn(t, "lease")
    /\ UNCHANGED <<redis, process, pauses, imports, faults, acknowledged>>

Follows(t) == head = request[t].made[1].number /\ log = request[t].chain /\ IsFull

\* commit.lua
Commit(t) ==
    LET round == request[t].made[1]
        next == head + 1
        missing == {Slot(head, s) : s \in SlotNumbers \ DOMAIN open}  \* of a quorum: nobody needs them any more
    IN
    /\ request[t].step = "commit"
    /\ IF head > round.number /\ Broken # "commit"
       THEN UNCHANGED redis
       ELSE /\ Follows(t) \/ Broken # "nothing"  \* else CONFLICT: NoConflict says that this never happens
            /\ log' = Append(log, round)
            /\ head' = next
            /\ open' = Nothing /\ closed' = FALSE
            /\ queued' = SubSeq(queued, Len(round.evaluations) + 1, Len(queued))
            /\ free' = (free \ missing) \cup OpenRound(next)
            /\ holders' = Without(holders, missing)
            /\ status' = IF next = Rounds THEN "complete" ELSE status
            /\ UNCHANGED <<joined, left, chunks, evaluations>>
    /\ request' = [request EXCEPT ![t] = [@ EXCEPT !.step = "lease", !.made = <<>>, !.chain = <<>>]]
    /\ UNCHANGED <<process, pauses, imports, faults, acknowledged>>

\* The second half of turns.lua, for one turn of it, without its expire(now): that is Tick, just before.  `again`: the
\* last look of a request (turn.c).
Lease(t) ==
    LET asked == request[t]
        refused == status = "paused" \/ asked.leaving \/ asked.worker \in left \/ head - asked.cursor > Reach
        mayDo == IF asked.from \in SlotsOnly THEN {w \in free : TurnOf(w) >= TurnOf(Slot(head, 0))} ELSE free
        taken == First(mayDo, Wants)
    IN
    /\ asked.step = "lease"
    /\ IF IsFull THEN GoOn(t, "gather") /\ UNCHANGED <<free, holders>>
       ELSE \E again \in BOOLEAN :
            LET chosen == IF refused THEN {}
                          ELSE IF taken = {} /\ again THEN First(HeldBy(asked.worker), Wants) ELSE taken
                \* turns.lua: status_for.  Whoever can evaluate stays while there is something left to do.
                over == status = "complete" /\ (Outstanding = {} \/ asked.from \in SlotsOnly)
            IN
            \* turn.c: is_quiet.  Such a request waits, and looks again.
            /\ again \/ asked.leaving \/ chosen # {} \/ head > asked.cursor \/ over
            /\ free' = free \ chosen
            /\ holders' = [w \in chosen |-> asked.worker] @@ holders
            /\ request' = [request EXCEPT ![t] =
                   [@ EXCEPT !.step = IF asked.leaving THEN "leave" ELSE "answer", !.grant = chosen, !.head = head,
                             !.over = over]]
    /\ UNCHANGED <<status, head, log, open, closed, joined, left, chunks, evaluations, queued, process, pauses,
                   imports, faults, acknowledged>>

\* leave.lua
Leave(t) ==
    LET held == HeldBy(request[t].worker) IN
    /\ request[t].step = "leave"
    /\ free' = free \cup held
    /\ holders' = Without(holders, held)
    /\ left' = left \cup {request[t].worker}
    /\ GoOn(t, "answer")
    /\ UNCHANGED <<status, head, log, open, closed, joined, chunks, evaluations, queued, process, pauses, imports,
                   faults, acknowledged>>

\* import.lua: a round that was made elsewhere follows the log.  What was open is void, also what was acknowledged of
\* it.  (Without evaluations: those under way begin anew, of the last state that wants one.)
Import ==
    LET round == [number |-> head, slots |-> [s \in SlotNumbers |-> Codes(0, Slot(head, s))], evaluations |-> <<>>,
                  time |-> "elsewhere"]
        next == head + 1
    IN
    /\ imports < Imports /\ head < Rounds
    /\ imports' = imports + 1
    /\ log' = Append(log, round)
    /\ head' = next
    /\ open' = Nothing /\ closed' = FALSE /\ holders' = Nothing /\ chunks' = Nothing
    /\ free' = OpenRound(next)
    /\ status' = IF next = Rounds THEN "complete" ELSE status
    /\ acknowledged' = {a \in acknowledged : a.work.kind # "s" \/ a.work.round # head}
    /\ UNCHANGED <<joined, left, evaluations, queued, request, process, pauses, faults>>

\* tick.lua: the time of a lease is over.  That may be at any moment, for every computer's clock and load are its own.
Tick(work) ==
    /\ work \in Leased
    /\ free' = free \cup {work}
    /\ holders' = Without(holders, {work})
    /\ UNCHANGED <<status, head, log, open, closed, joined, left, chunks, evaluations, queued, request, process,
                   pauses, imports, faults, acknowledged>>

\* pause.lua
Pause ==
    /\ pauses < Pauses /\ status = "running"
    /\ status' = "paused" /\ pauses' = pauses + 1
    /\ UNCHANGED <<head, log, open, closed, free, holders, joined, left, chunks, evaluations, queued, request, process,
                   imports, faults, acknowledged>>

Resume ==
    /\ status = "paused" /\ status' = "running"
    /\ UNCHANGED <<head, log, open, closed, free, holders, joined, left, chunks, evaluations, queued, request, process,
                   pauses, imports, faults, acknowledged>>

-----------------------------------------------------------------------------
(* Workers: services/worker/worker.c *)

Cursor(p) == Len(process[p].applied)

\* can_do
CanDo(p, work) ==
    IF work.kind = "s" THEN work.round = Cursor(p) ELSE p \notin SlotsOnly /\ work.round <= Cursor(p)

Works(p) == process[p].number # 0 /\ process[p].waits = NoRequest

Compute(p) ==
    /\ Works(p) /\ process[p].leases # {}
    /\ LET next == CHOOSE w \in process[p].leases : \A v \in process[p].leases : TurnOf(w) <= TurnOf(v)
       IN process' = [process EXCEPT ![p] =
              [@ EXCEPT !.leases = @ \ {next}, !.results = IF CanDo(p, next) THEN @ \cup {next} ELSE @]]
    /\ UNCHANGED <<redis, request, pauses, imports, faults, acknowledged>>

\* A request arrives at a copy of the ledger.  `leaving`: SIGTERM came.
Sync(p, t, leaving) ==
    /\ Works(p) /\ request[t].step = "idle"
    /\ leaving \/ process[p].leases = {}
    /\ leaving => joined < Joins  \* somebody must be left to do the work
    /\ request' = [request EXCEPT ![t] =
           [step |-> IF process[p].results = {} THEN "lease" ELSE "contribute",
            from |-> p, worker |-> process[p].number, cursor |-> Cursor(p), results |-> process[p].results,
            leaving |-> leaving, made |-> <<>>, chain |-> <<>>, grant |-> {}, head |-> 0, over |-> FALSE]]
    /\ process' = [process EXCEPT ![p].waits = t]
    /\ UNCHANGED <<redis, pauses, imports, faults, acknowledged>>

\* The rounds after the cursor are read, after turns.lua, and the answer goes out.  It arrives where somebody waits
\* for it.  The worker applies the rounds, and works off the leases of this answer, no others.
Answer(t) ==
    LET asked == request[t]
        p == asked.from
        last == IF Len(log) - asked.cursor > Reach THEN asked.cursor + Reach ELSE Len(log)
        rounds == IF asked.head > asked.cursor THEN SubSeq(log, asked.cursor + 1, last) ELSE <<>>
        applied == process[p].applied \o rounds
        ends == asked.over /\ asked.grant = {} /\ Len(applied) >= asked.head
    IN
    /\ asked.step = "answer"
    /\ process' = IF process[p].waits # t THEN process
                  ELSE [process EXCEPT ![p] =
                      IF asked.leaving THEN Away
                      ELSE IF ends THEN [Away EXCEPT !.applied = applied, !.ended = TRUE]
                      ELSE [@ EXCEPT !.applied = applied, !.leases = asked.grant, !.results = {}, !.waits = NoRequest]]
    /\ request' = [request EXCEPT ![t] = Idle]
    /\ UNCHANGED <<redis, pauses, imports, faults, acknowledged>>

-----------------------------------------------------------------------------
(* Faults *)

\* kill -9 of a worker.  Requests that it sent go on in the ledger.
WorkerDies(p) ==
    /\ process[p].number # 0 /\ joined < Joins  \* somebody must be left to do the work
    /\ process' = [process EXCEPT ![p] = Away]
    /\ UNCHANGED <<redis, request, pauses, imports, faults, acknowledged>>

IsServed(p) == LET t == process[p].waits IN request[t].step # "idle" /\ request[t].from = p

\* The answer does not come in time, or the connection breaks: the worker will send the same again, to any copy.
\* The first request goes on in the ledger, or is still on its way there.
GivesUp(p) ==
    /\ process[p].waits # NoRequest
    /\ IF IsServed(p) THEN Fault ELSE UNCHANGED faults
    /\ process' = [process EXCEPT ![p].waits = NoRequest]
    /\ UNCHANGED <<redis, request, pauses, imports, acknowledged>>

\* kill -9 of a ledger between any two of its steps, or Redis away, or its reply lost: the request ends without answer.
LedgerDies(t) ==
    /\ request[t].step # "idle"
    /\ Fault
    /\ request' = [request EXCEPT ![t] = Idle]
    /\ UNCHANGED <<redis, process, pauses, imports, acknowledged>>

-----------------------------------------------------------------------------

GoesOn(t) == Contribute(t) \/ Gather(t) \/ Commit(t) \/ Lease(t) \/ Leave(t) \/ Answer(t)

AllWork == {Slot(r, s) : r \in 0 .. Rounds - 1, s \in SlotNumbers} \cup
           {Chunk(r, c) : r \in 0 .. Rounds, c \in ChunkNumbers}

Next ==
    \/ \E t \in Requests : GoesOn(t) \/ LedgerDies(t)
    \/ \E p \in Processes :
           Join(p) \/ Compute(p) \/ WorkerDies(p) \/ GivesUp(p) \/
           \E t \in Requests, leaving \in BOOLEAN : Sync(p, t, leaving)
    \/ \E work \in AllWork : Tick(work)
    \/ Close \/ Pause \/ Resume \/ Import

\* Whoever can go on does so some day; nobody is made to fail.  A worker gives up a request that nobody serves.
Fairness ==
    /\ \A t \in Requests : WF_vars(GoesOn(t))
    /\ \A p \in Processes :
           /\ WF_vars(Join(p)) /\ WF_vars(Compute(p))
           /\ WF_vars(GivesUp(p) /\ ~IsServed(p))
           /\ SF_vars(\E t \in Requests : Sync(p, t, FALSE))
    /\ \A work \in AllWork : WF_vars(Tick(work))
    /\ WF_vars(Close) /\ WF_vars(Resume)

Spec == Init /\ [][Next]_vars /\ Fairness

\* Copies of the ledger are alike, and so are workers.
Alike == Permutations(Processes) \cup Permutations(Requests)

-----------------------------------------------------------------------------
(* What must hold; README.md says it in words *)

InLog(codes) == {r \in 1 .. Len(log) : \E s \in DOMAIN log[r].slots : log[r].slots[s] = codes}
InOpen(codes) == {s \in DOMAIN open : open[s] = codes}

\* An acknowledged code is in the log exactly once, or in the open round, from where the commit takes it.
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

\* Round r stands at place r, with codes for its slots that were computed for this round and slot.
LogInOrder ==
    /\ head = Len(log) /\ head <= Rounds
    /\ \A r \in 1 .. Len(log) :
           /\ log[r].number = r - 1
           /\ IF Quorum = 0 THEN DOMAIN log[r].slots = SlotNumbers ELSE Cardinality(DOMAIN log[r].slots) >= Quorum
           /\ \A s \in DOMAIN log[r].slots : log[r].slots[s].round = r - 1 /\ log[r].slots[s].slot = s

\* No replica ever applied anything but the log's rounds, each once, in their order.
AppliedOnce ==
    \A p \in Processes :
        LET applied == process[p].applied IN Len(applied) <= Len(log) /\ applied = SubSeq(log, 1, Len(applied))

\* A piece of work is free, or leased, or done: never two of them, and never lost.
WorkInOnePlace ==
    /\ free \cap Leased = {}
    /\ \A w \in OpenRound(head) : w.kind = "s" => (w \in Outstanding) # (w.index \in DOMAIN open)
    /\ \A w \in Outstanding : w.kind = "s" => w.round = head
    /\ \A r \in 0 .. head : \A w \in OpenRound(r) : w.kind = "e" =>
           Cardinality({place \in 1 .. 3 : (place = 1 /\ w \in Outstanding) \/ (place = 2 /\ w \in DOMAIN chunks)
                                           \/ (place = 3 /\ r \in evaluations)}) = 1

\* A copy that made a round finds it committed, or may commit it, and then it is all that was taken.
NoConflict ==
    \A t \in Requests : request[t].step = "commit" =>
        \/ head > request[t].made[1].number
        \/ Follows(t) /\ request[t].made[1].slots = open

\* A committed round never changes.
CommittedStays == [][Len(log') >= Len(log) /\ SubSeq(log', 1, Len(log)) = log]_vars

\* Every run ends: all rounds are committed, all evaluations done, and a worker that is there has all of it.
Ends == <>[](status = "complete" /\ Outstanding = {} /\ \A p \in Processes : process[p].ended \/ process[p].number = 0)
=============================================================================
