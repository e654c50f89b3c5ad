// A position-independent program with an interpreter, relocations and thread-local storage.
#include <stdio.h>

static _Thread_local int calls = 41;
static const char* const texts[] = {"ok", "not ok"};

int main(void) { return puts(texts[++calls != 42]) < 0; }
