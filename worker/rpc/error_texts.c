#include "worker/rpc/error_texts.h"

const char text_group_missing[] = "Group does not exist";
const char text_log_in_first[] = "Log in first";
const char text_other_login[] = "The connection was logged out or logged in again in the meantime; try again";
const char text_other_rights[] = "Your rights changed in the meantime; try again";
const char text_stopping[] = "The server is stopping";
const char text_store_unreadable[] = "The store cannot be read now";
const char text_user_missing[] = "User does not exist";
