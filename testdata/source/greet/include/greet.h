#ifndef GREET_H
#define GREET_H
#ifdef _WIN32
#include <windows.h>
#endif
int greet(void);
#endif
