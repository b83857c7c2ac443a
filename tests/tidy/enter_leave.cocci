// SPDX-License-Identifier: GPL-2.0
// Every I/O that a gate let in is let out: a grant that bfence_gate_enter()
// or its stamped sister gave is left, given back, or handed to what will leave
// it, on each way out of the function. A lost one would keep a fence from ever
// being drained.

virtual report

// The question comes first: what is behind it knows that there is a grant.
@asked@
expression g;
position p;
statement S;
@@

 g = \( bfence_gate_enter@p \| bfence_gate_enter_stamped@p \)(...);
 if (\( !g \| unlikely(!g) \)) S

@unasked@
expression g;
position p != asked.p;
@@

 g = \( bfence_gate_enter@p \| bfence_gate_enter_stamped@p \)(...);

@script:python@
p << unasked.p;
@@

coccilib.report.print_report(p[0],
    "whether the gate let it in is not asked at once")

@lost exists@
expression g, holder;
position asked.p, q;
statement S;
@@

 g = bfence_gate_enter@p(...);
 if (\( !g \| unlikely(!g) \)) S
 ... when != bfence_gate_leave(g)
     when != holder = g
 return@q ...;

@script:python@
p << asked.p;
q << lost.q;
@@

coccilib.report.print_report(q[0],
    "the grant of line %s is neither left nor handed on" % p[0].line)

// -EIOCBQUEUED: the bio is on its way, and its end leaves the grant.
@lost_stamped exists@
expression g;
position asked.p, q;
statement S;
@@

 g = bfence_gate_enter_stamped@p(...);
 if (\( !g \| unlikely(!g) \)) S
 ... when != bfence_gate_give_back(g)
(
 return -EIOCBQUEUED;
|
 return@q ...;
)

@script:python@
p << asked.p;
q << lost_stamped.q;
@@

coccilib.report.print_report(q[0],
    "the stamped grant of line %s is not given back" % p[0].line)
