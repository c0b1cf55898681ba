# The ways out of user mode and into it, and traps in the kernel.
#
# `enter_user(context)` looks like a call that returns when the thread leaves user mode:
# the kernel's callee-saved registers wait on its stack meanwhile. Offsets are those of
# `CoreArea` (beneath %gs) and `UserContext`; Rust asserts them.

.set AREA_KERNEL_STACK, 8
.set AREA_CONTEXT, 16
.set AREA_SCRATCH, 24
.set AREA_VECTOR, 32
.set AREA_ERROR, 40
.set AREA_STAMP, 48

.set RAX, 0
.set RBX, 8
.set RCX, 16
.set RDX, 24
.set RSI, 32
.set RDI, 40
.set RBP, 48
.set R8, 56
.set R9, 64
.set R10, 72
.set R11, 80
.set R12, 88
.set R13, 96
.set R14, 104
.set R15, 112
.set RIP, 120
.set RSP, 128
.set RFLAGS, 136
.set FULL, 144

.set USER_DATA, 0x23
.set USER_CODE, 0x2b

.section .text
.global enter_user
enter_user:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, %gs:AREA_KERNEL_STACK
    movq %rdi, %gs:AREA_CONTEXT
    movq RAX(%rdi), %rax
    movq RBX(%rdi), %rbx
    movq RDX(%rdi), %rdx
    movq RSI(%rdi), %rsi
    movq RBP(%rdi), %rbp
    movq R8(%rdi), %r8
    movq R9(%rdi), %r9
    movq R10(%rdi), %r10
    movq R12(%rdi), %r12
    movq R13(%rdi), %r13
    movq R14(%rdi), %r14
    movq R15(%rdi), %r15
    cmpb $0, FULL(%rdi)
    jne 1f
    # It left by a system call: %rcx and %r11 are its to lose.
    movq RIP(%rdi), %rcx
    movq RFLAGS(%rdi), %r11
    movq RSP(%rdi), %rsp
    movq %gs:AREA_CONTEXT, %rdi
    movq RDI(%rdi), %rdi
    swapgs
    sysretq
1:  pushq $USER_DATA
    pushq RSP(%rdi)
    pushq RFLAGS(%rdi)
    pushq $USER_CODE
    pushq RIP(%rdi)
    movq RCX(%rdi), %rcx
    movq R11(%rdi), %r11
    movq RDI(%rdi), %rdi
    swapgs
    iretq

.balign 16
.global syscall_entry
syscall_entry:
    swapgs
    movq %rsp, %gs:AREA_SCRATCH
    movq %gs:AREA_CONTEXT, %rsp
    movq %rax, RAX(%rsp)
    movq %rbx, RBX(%rsp)
    movq %rdx, RDX(%rsp)
    movq %rsi, RSI(%rsp)
    movq %rdi, RDI(%rsp)
    movq %rbp, RBP(%rsp)
    movq %r8, R8(%rsp)
    movq %r9, R9(%rsp)
    movq %r10, R10(%rsp)
    movq %r12, R12(%rsp)
    movq %r13, R13(%rsp)
    movq %r14, R14(%rsp)
    movq %r15, R15(%rsp)
    movq %rcx, RCX(%rsp)
    movq %r11, R11(%rsp)
    movq %rcx, RIP(%rsp)
    movq %r11, RFLAGS(%rsp)
    movb $0, FULL(%rsp)
    movq %gs:AREA_SCRATCH, %rax
    movq %rax, RSP(%rsp)
    movq $0, %gs:AREA_VECTOR
    xorl %eax, %eax
    jmp leave_user

# One stub a vector, 16 bytes each; those without an error code push a zero.
.balign 16
.global vector_stubs
vector_stubs:
.set vector, 0
.rept 256
    .balign 16
    .if (vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
    .else
    pushq $0
    .endif
    pushq $vector
    jmp trap_common
    .set vector, vector + 1
.endr

trap_common:
    testb $3, 24(%rsp)
    jz trap_in_kernel
    swapgs
    pushq %rax
    movq %gs:AREA_CONTEXT, %rax
    movq %rbx, RBX(%rax)
    movq %rcx, RCX(%rax)
    movq %rdx, RDX(%rax)
    movq %rsi, RSI(%rax)
    movq %rdi, RDI(%rax)
    movq %rbp, RBP(%rax)
    movq %r8, R8(%rax)
    movq %r9, R9(%rax)
    movq %r10, R10(%rax)
    movq %r11, R11(%rax)
    movq %r12, R12(%rax)
    movq %r13, R13(%rax)
    movq %r14, R14(%rax)
    movq %r15, R15(%rax)
    popq RAX(%rax)
    popq %gs:AREA_VECTOR
    popq %gs:AREA_ERROR
    popq RIP(%rax)
    addq $8, %rsp
    popq RFLAGS(%rax)
    popq RSP(%rax)
    movb $1, FULL(%rax)
    cld
    movl $1, %eax

leave_user:
    movq %gs:AREA_KERNEL_STACK, %rsp
    movl %eax, %ecx
    rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    movq %rax, %gs:AREA_STAMP
    movl %ecx, %eax
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret

# An interrupt that found the kernel idle or polling, or a fault of the kernel itself.
trap_in_kernel:
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %rbp
    movq %rsp, %rdi
    movq %rsp, %rbp
    cld
    andq $-16, %rsp
    call kernel_trap
    movq %rbp, %rsp
    popq %rbp
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rax
    addq $16, %rsp
    iretq

# NMIs may come between `syscall` and `swapgs`: touch nothing.
.balign 16
.global nmi_entry
nmi_entry:
    iretq
