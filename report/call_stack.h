/*
 * The stack rule: which poll is inside which.
 *
 * Entries and exits carry the stack pointer as it is with the return address on
 * top. Stacks grow down, so a poll whose entry had a stack pointer at or below
 * that of a later entry on the same thread has been left, be it through an exit
 * or by an unwinding panic; and the two ends of one call have it equal. A poll that
 * leaves by a jump to another poll function stays open until that one returns.
 */
#ifndef CALL_STACK_H
#define CALL_STACK_H

struct sqlite3;

/*
 * Give db the table function `call_stack` (columns and meaning:
 * call_stack_columns in schema/reconstruct.sql), which reads the raw tables of
 * db. Returns an SQLite result code.
 */
int call_stack_register(struct sqlite3 *db);

#endif
