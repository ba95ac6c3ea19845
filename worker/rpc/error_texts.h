#ifndef WORKER_RPC_ERROR_TEXTS_H
#define WORKER_RPC_ERROR_TEXTS_H

/* What clients are told in more than one place. */

extern const char text_group_missing[];
extern const char text_log_in_first[];
extern const char text_other_login[];  /* while the call was open */
extern const char text_other_rights[]; /* the same */
extern const char text_stopping[];
extern const char text_store_unreadable[];
extern const char text_user_missing[];

#endif
