"""The records of the host kernel (``pimsim.kernels.host``): instructions, a channel's controller and queues, the policy."""

# Instruction fields and kinds.
KIND, CODE, BANK, ROW, COUNT, REGISTER, BLOCKING, SELECTOR = range(8)
INSTRUCTION = 8
HOST_ONLY, PIM_COMMAND, MEMORY_READ, MEMORY_WRITE, BARRIER = range(5)
"""Nothing for a channel; COUNT columns from 0 of a PIM command; an ordinary read or write; a barrier, which blocks."""

# Queues of a channel and the fields of a request in them.
READS, WRITES, OPENED, PIM_QUEUE, REFRESHES = range(5)
"""The first three are kept per request; the PIM queue is its instruction, and a refresh is nobody's."""
R_CODE, R_BANK, R_ROW, R_ARRIVAL = range(4)
REQUEST = 4

# State of a channel's controller.
(
    HELD,  # [3] requests in each queue
    _HELD_WRITES,
    _HELD_OPENED,
    OPENED_WRITES,  # writes among the requests whose row has been opened
    WRITE_MODE,  # writes are served, not reads
    MODE,  # the channel is in register mode
    NEXT,  # first tick that is not decided yet
    TAKEN,  # PIM requests served so far
    LAST_PIM,  # issue of the latest
    READ_DONE,  # completion of the latest read: in order, one a tick
    WRITE_DONE,  # completion of the latest write
    ANSWERED,  # reads answered from the write queue
    LEFT,  # requests of the PIM instruction at hand that are not served yet; 0: there is none
    COLUMN,  # column of the next of them
    ROOM,  # the PIM request whose issue makes room for the last of them ...
    ROOM_TICK,  # ... and when there is room
) = range(16)
CONTROLLER = 16

# Policy of all controllers.
(
    MODE_SWITCH,  # the command, or -1
    PIM_PLACES,
    READ_PLACES,
    WRITE_PLACES,
    WRITE_START,  # write mode begins at so many writes ...
    WRITE_STOP,  # ... and ends at so few
    ANY_WRITE,  # a read is answered by any waiting write, whatever its address
    LEAVE,  # requests whose row has been opened have left their queue
    POSTPONE,  # ticks by which a refresh may be late
) = range(9)
POLICY = 9

FAR = 1 << 60
