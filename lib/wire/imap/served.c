/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/served.h"

/* What is here must be true. */
const char imap_served[] =
	"IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE CHILDREN UNSELECT "
	"UIDPLUS MULTIAPPEND MOVE SPECIAL-USE LIST-EXTENDED LIST-STATUS ESEARCH "
	"SEARCHRES WITHIN PARTIAL SEARCH=FUZZY SORT SORT=DISPLAY ESORT "
	"THREAD=ORDEREDSUBJECT THREAD=REFERENCES THREAD=REFS I18NLEVEL=1 CONDSTORE "
	"QRESYNC STATUS=SIZE OBJECTID SAVEDATE PREVIEW SNIPPET=FUZZY BINARY XLIST "
	"LIST-MYRIGHTS CREATE-SPECIAL-USE ACL RIGHTS=kxte QUOTA QUOTA=RES-STORAGE "
	"QUOTA=RES-MESSAGE METADATA COMPRESS=DEFLATE INPROGRESS CATENATE REPLACE "
	"UTF8=ACCEPT UIDONLY CONTEXT=SEARCH NOTIFY";

bool imap_is_served(struct str capability)
{
	/* other words for what is in the list, and what belongs to the login */
	static const struct str same = STR("IMAP4 LITERAL- METADATA-SERVER RIGHTS=texk "
					   "PREVIEW=FUZZY STARTTLS LOGINDISABLED");

	return str_has_word(str_from(imap_served), capability) ||
	       str_has_word(same, capability) ||
	       str_istarts(capability, STR_LIT("AUTH=")) ||
	       str_istarts(capability, STR_LIT("RIGHTS=")) ||
	       str_istarts(capability, STR_LIT("APPENDLIMIT"));
}
