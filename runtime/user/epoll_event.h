// struct epoll_event: packed to 12 bytes on x86-64 only.
#pragma once

#include "ir/support/types.h"

namespace ulna::user {

struct HostEpollEvent {
    u32 events;
    u64 data;
} __attribute__((packed));

struct GuestEpollEvent {
    u32 events;
    u32 padding;
    u64 data;
};
static_assert(sizeof(HostEpollEvent) == 12 && sizeof(GuestEpollEvent) == 16);

} // namespace ulna::user
