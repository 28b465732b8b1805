"""Messages of the Aeris, written out by hand from the reference (5.3); slot 2 is position 1.

Requests are as published. Of answers the fields are published and that they end with ``@END``; the
words around them are an assumption, so readers look for the fields only.
"""

ASK_READY = b"@STATUS_REQUEST@UNIT=xrd@END"
ASK_SYSTEM = b"@STATUS_REQUEST@SYSTEM@END"
ASK_SLOT = b"@STATUS_REQUEST@LOCATION=0,2@END"
ADD = b"@SAMPLE@ADD@APPLICATION=sdl-2min@SAMPLE_ID=S3-c12@AT=0,2@END"
MEASURE = b"@SAMPLE@MEASURE@SAMPLE_ID=S3-c12@APPLICATION=sdl-2min@END"
REMOVE = b"@SAMPLE@REMOVE@SAMPLE_ID=S3-c12@END"

READY = b"@STATUS@UNIT=xrd@READY=yes@END"
BUSY = b"@STATUS@UNIT=xrd@READY=no@END"
REMOTE = b"@STATUS@SYSTEM=remote@END"
LOCAL = b"@STATUS@SYSTEM=local@END"
FREE = b"@STATUS@LOCATION=0,2@STATE=free@END"
OCCUPIED = b"@STATUS@LOCATION=0,2@STATE=occupied@END"
DONE = b"@SAMPLE@SAMPLE_ID=S3-c12@END"
FATAL = b"@SAMPLE@SAMPLE_ID=S3-c12@ERROR=fatal: unknown application@END"
