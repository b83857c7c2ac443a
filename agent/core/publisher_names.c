// SPDX-License-Identifier: GPL-2.0
/*
 * The publisher's words for people. Must never decide anything.
 */
#include "publisher.h"

const char *ask_intent_name(enum ask_intent intent)
{
	switch (intent) {
	case ASK_NONE:
		break;
	case ASK_BIND:
		return "Bind";
	case ASK_REFRESH:
		return "RefreshEndpoint";
	case ASK_REASSIGN:
		return "Reassign";
	case ASK_RECOVER:
		return "Recover";
	}
	return "none";
}

const char *ask_refusal_name(enum ask_refusal refusal)
{
	switch (refusal) {
	case ASK_TAKEN:
		return "taken";
	case ASK_NO_CHANGE:
		return "no change";
	case ASK_MALFORMED:
		return "malformed ask";
	case ASK_ALREADY_BOUND:
		return "the volume is bound already";
	case ASK_NOT_BOUND:
		return "the volume is not bound";
	case ASK_NOT_HOLDER:
		return "only the line's holder may refresh it";
	case ASK_LINE_MOVED:
		return "the line has moved since the decision";
	case ASK_BUSY:
		return "an earlier ask is still being made durable";
	case ASK_NO_ROOM:
		return "too many asks wait for the disk";
	case ASK_NO_VOLUME:
		return "there is no such volume";
	case ASK_QUARANTINED:
		return "the volume's record is damaged or in doubt";
	case ASK_REGRESSED:
		return "a slot has acknowledged a lineage above the line";
	case ASK_SOUND:
		return "its record is sound and no slot has acknowledged more than the line: there is nothing to recover";
	case ASK_STORE_CLOSED:
		return "the authority log is closed after a failed write";
	case ASK_EXHAUSTED:
		return "no higher lineage exists";
	}
	return "?";
}
