package unsent

const notSentLowat = 0x201 // TCP_NOTSENT_LOWAT, which package syscall does not have
