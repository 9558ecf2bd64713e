package unsent

const notSentLowat = 25 // TCP_NOTSENT_LOWAT, which package syscall does not have
