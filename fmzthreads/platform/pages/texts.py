"""The texts of the pages: English, as the templates have them, and Chinese. What a strategy or a user wrote is never translated."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["CHINESE", "LANGUAGES", "translated"]

LANGUAGES = ("en", "zh")

_CHINESE = {
    # Frame and login
    "Pages": "页面", "Overview": "总览", "Strategies": "策略", "Backtests": "回测", "Exchanges": "交易所", "API keys": "API 密钥",
    "Settings": "设置", "Log in": "登录", "Log out": "退出", "Name": "名称", "Password": "密码", "One-time code": "动态验证码",
    "Skip to the content": "跳到正文", "Light": "浅色", "Dark": "深色", "Back": "返回", "Save": "保存", "Delete": "删除", "Add": "添加",
    "Start": "启动", "Stop": "停止", "Open": "打开", "Send": "发送", "More": "更多", "Remove": "移除", "Search": "搜索", "Take": "选用",
    "Name, password or code is not right.": "名称、密码或验证码不正确。",
    "Too many wrong passwords. Try again in {seconds} s.": "密码错误次数过多，请在 {seconds} 秒后重试。",
    "The first password was printed once, where the platform was started for the first time.": "初始密码只在平台首次启动时打印过一次。",
    "Not permitted": "没有权限", "Not found": "未找到", "That did not work": "操作未成功",
    "The stop was asked for.": "已请求停止。", "The process was ended.": "进程已结束。", "The robot was started.": "机器人已启动。",
    "The command was sent.": "命令已发送。", "The robot does not take commands now.": "机器人现在不接收命令。", "Deleted.": "已删除。",
    "Saved.": "已保存。", "The password was changed; log in with it.": "密码已修改，请用新密码登录。",
    # Overview
    "New robot": "新建机器人", "Stop all": "全部停止", "Stop all robots?": "停止全部机器人？",
    "Each one that you operate is asked to stop: its waits end, onexit runs, then the process ends.": "您可操作的每个机器人都会被请求停止：等待结束，运行 onexit，然后进程结束。",
    "Cancel the open orders that they placed": "撤销它们挂出的未成交订单", "Profit of all robots": "全部收益",  "Running": "运行中",
    "Alarms": "告警", "Nodes online": "在线节点", "{age} ago": "{age}前", "Seen": "已读", "No robots yet": "还没有机器人",
    "Upload a strategy, or take the one to begin with": "上传策略，或使用入门策略", "Add an exchange; a simulated one needs no keys": "添加交易所；模拟交易所不需要密钥",
    "Start a robot": "启动机器人", "No robot is allotted to you.": "没有分配给您的机器人。", "Robots": "机器人", "Robot": "机器人", "State": "状态",
    "Profit": "收益", "Last line": "最近日志", "when the state was read": "状态读取时间", "read {age} ago": "{age}前读取",
    "Vault of keys": "密钥库", "The vault is locked: no robot can be started before its password is given. Robots that run go on.": "密钥库已锁定：输入其密码之前无法启动机器人，运行中的机器人继续运行。",
    "The vault's password": "密钥库密码", "Unlock": "解锁", "Its key is encrypted under a password, which is asked for after each start.": "其密钥由密码加密，每次启动后都需要输入。",
    "Its key lies in a file that only the platform's user may read. Under a password nothing can be started after a restart of the platform before an owner has given it.": "其密钥保存在只有平台用户可读的文件中。设置密码后，平台每次重启都要由所有者输入密码才能启动机器人。",
    "Another password": "更换密码", "Protect it by a password": "用密码保护", "Your own password": "您自己的密码", "Protect": "保护", "Whoever loses it loses the stored keys.": "丢失该密码即丢失所保存的密钥。",
    "The vault's password, as it is locked": "密钥库密码（已锁定）",
    "Further exchanges, one a line": "其他交易所，每行一个", "name, pair, balance, coins; fees as above. With files of bars: Binance/BTC_USDT=FILE; OKX/ETH_USDT=FILE": "名称、交易对、余额、币数；手续费同上。K线文件写作 Binance/BTC_USDT=文件; OKX/ETH_USDT=文件",
    "Balances and equity": "余额与权益", "oldest reading {age} ago": "最早读取于{age}前", "curve over {age}": "曲线跨度{age}", "What it is made of": "组成",
    "Wallet": "钱包", "Currency": "币种", "Worth": "价值", "Read by": "读取者", "Read": "读取时间", "spot": "现货", "futures": "合约",
    "The robot has not asked its exchange for its account (GetAccount).": "该机器人还没有向交易所查询过账户（GetAccount）。",
    "No robot has asked its exchange for its account yet (GetAccount); the platform asks nothing by itself.": "还没有机器人向交易所查询过账户（GetAccount）；平台自己不查询。",
    "Positions": "持仓", "Nodes": "节点", "Node": "节点", "online": "在线", "away": "离线", "{count} running": "{count} 个运行中",
    "No positions.": "没有持仓。", "Exchange": "交易所", "Symbol": "交易对", "Amount": "数量", "Price": "价格",
    # States, kinds and the like
    "Idle": "空闲", "Stopping": "停止中", "Exited": "已退出", "Stopped": "已停止", "Error": "错误", "Buy": "买入", "Sell": "卖出", "Cancel": "撤单",
    "Log": "日志", "Restart": "重启", "asked": "已请求", "orders cancelled": "撤销订单", "{done} of {all}": "{done}/{all}", "onexit": "onexit", "ended": "已结束",
    "placed": "已下单", "open": "未成交", "filled": "已成交", "cancelled": "已撤销", "unknown": "未知", "sending": "发送中", "absent": "不存在",
    "never": "从不", "failed": "失败", "always": "总是", "strategy": "策略", "template": "模板", "script": "脚本", "broken": "损坏",
    "waiting": "等待", "running": "运行中", "done": "完成", "stopped": "已停止", "sent": "已发送", "owner": "所有者", "operator": "操作员",
    "reader": "只读", "enabled": "启用", "disabled": "停用", "simulated": "模拟", "all": "全部", "any": "任意", "none": "无", "now": "现在",
    "choose": "请选择", "required": "必填", "refused": "已拒绝", "market": "市价", "order": "订单", "live": "实时", "not live": "未连接",
    "until": "有效期至",
    # Robot
    "Kill": "强制结束", "Delete its log too": "同时删除日志", "Parts of the page": "页面各部分", "Status": "状态栏", "Charts": "图表", "Orders": "订单",
    "Arguments": "参数", "Output": "输出", "Share": "分享", "Command": "命令", "Command, such as name:value": "命令，如 name:value",
    "Its waits end, onexit runs, then the process ends. Positions stay as they are.": "等待结束，运行 onexit，然后进程结束。持仓保持不变。",
    "Cancel the open orders that it placed": "撤销它挂出的未成交订单",
    "End the process at once: neither orders are cancelled nor onexit runs.": "立即结束进程：既不撤单，也不运行 onexit。",
    "The strategy has not shown a status yet.": "策略尚未显示状态。", "Nothing to draw yet.": "暂无图表。",
    "Charts need plotly; install it with: python -m pip install plotly": "图表需要 plotly，安装方法：python -m pip install plotly",
    "Orders and positions": "订单与持仓", "The strategy takes no arguments, or all have their default.": "策略没有参数，或全部为默认值。",
    "Bars of {seconds} s, restart {policy}.": "K 线周期 {seconds} 秒，重启策略：{policy}。",
    "A link shows status, charts and log of this robot, read-only, without a login, until it ends.": "持有链接者在到期前可只读查看该机器人的状态、图表和日志。",
    "Days": "天数", "Make a link": "生成链接", "End": "结束", "Since": "运行时长", "Stages of the stop": "停止的各阶段", "Time (UTC)": "时间 (UTC)",
    "Side": "方向", "Filled": "已成交", "No orders.": "没有订单。", "Kind": "类型", "Text": "内容", "Word": "关键词", "Export": "导出",
    "No lines.": "没有日志。", "Show older lines": "显示更早的日志", "This link is shown this once; it ends after {days} days.": "此链接只显示这一次，{days} 天后失效。",
    "Link": "链接", "Read-only view": "只读视图", "Settings of": "设置：", "Strategy": "策略", "Templates": "模板", "Group": "分组",
    "Bars, seconds": "K 线周期（秒）", "Pair": "交易对", "Add an exchange": "添加交易所", "Start the robot": "启动机器人", "Save and start": "保存并启动",
    "A strategy is code: it runs with the rights of the platform's user. Start only what you have read.": "策略就是代码：它以平台用户的权限运行。只启动您读过的策略。",
    "Import the folder of a robot that was moved": "导入已迁移机器人的文件夹", "Import a robot": "导入机器人", "Import": "导入", "Folder": "文件夹",
    "Robot {number} was imported and is stopped.": "机器人 {number} 已导入，处于停止状态。", "Folder on the platform's machine": "平台主机上的文件夹",
    "Stop the robot where it runs, copy its folder here, then import it: settings, log, profit, charts, values and orders are kept; keys and secrets are not in it.":
        "先在原处停止机器人，把它的文件夹复制到这里，再导入：设置、日志、收益、图表、保存的值和订单都会保留；文件夹中没有密钥和机密参数。",
    # Strategies and backtests
    "Upload": "上传", "New": "新建", "Upload a strategy": "上传策略", "Replace one of the same name": "替换同名策略", "New strategy": "新建策略",
    "File": "文件", "File name": "文件名", "Changed": "修改时间", "Backtest": "回测",
    "No strategies yet. Upload a file, or begin with the one that New offers.": "还没有策略。请上传文件，或从“新建”中的示例开始。",
    "{count} lines": "{count} 行", "an earlier version": "旧版本", "show the newest": "显示最新版", "Download": "下载", "What was changed": "修改说明",
    "Running robots keep the version they were started with.": "运行中的机器人保持启动时的版本。", "Parameters": "参数", "Versions": "版本",
    "Old": "旧", "Compare": "比较", "No earlier versions.": "没有旧版本。", "More lines differ.": "还有更多差异。", "Nothing differs.": "没有差异。",
    "New backtest": "新建回测", "Result": "结果", "Made": "创建时间", "Compare the chosen ones": "比较所选", "No backtests yet.": "还没有回测。",
    "Span and exchange": "区间与交易所", "Period": "周期", "Balance": "余额", "Coins": "币数", "Maker fee, %": "挂单费率 %",
    "Taker fee, %": "吃单费率 %", "File of bars (CSV on the platform's machine)": "K 线文件（平台主机上的 CSV）", "empty: FMZ’s data server": "留空：FMZ 数据服务器",
    "Report": "报告", "Again": "再来一次", "Progress": "进度", "Runs side by side": "并排比较",
    # Exchanges and keys
    "Accounts": "账户", "Label": "标签", "No accounts yet.": "还没有账户。", "Add an account": "添加账户", "Add a simulated one": "添加模拟账户",
    "Play money; starts with the robot and needs no keys.": "虚拟资金，随机器人启动，不需要密钥。", "Add with keys": "用密钥添加",
    "Keys are stored encrypted and never shown again. Give them no right to withdraw.": "密钥加密保存，不再显示。请勿授予提币权限。",
    "Access Key": "Access Key", "Secret Key": "Secret Key", "Passphrase": "Passphrase", "Address": "地址", "The new key": "新密钥",
    "The secret is shown this once.": "私钥只显示这一次。", "Keys of the extended API": "扩展 API 密钥", "May call": "可调用", "Last used": "最近使用",
    "Enable": "启用", "Disable": "停用", "No keys yet.": "还没有密钥。", "Make a key": "创建密钥", "Methods": "方法",
    "* for all; names with commas; !Name for exceptions": "* 表示全部；方法名以逗号分隔；!Name 表示排除", "Addresses": "IP 地址", "empty for any": "留空表示任意",
    # Settings
    "Audit trail": "审计日志", "Old password": "旧密码", "New password": "新密码", "Once more": "再次输入", "Change": "修改",
    "Leave the keys empty to keep them. Robots take new ones at their next start.": "密钥留空则保持不变。机器人在下次启动时使用新密钥。",
    "All your sessions end.": "您的全部会话将结束。", "One-time codes": "动态验证码", "Each login asks for a code of your authenticator app.": "每次登录都会要求验证器应用中的验证码。",
    "No longer ask": "不再要求", "Put this secret into an authenticator app, then type the code that it shows.": "将此密钥添加到验证器应用，然后输入其显示的验证码。",
    "Open in an app on this machine": "在本机应用中打开", "Code": "验证码", "Ask for codes": "要求验证码", "Your sessions": "您的会话", "Browser": "浏览器",
    "Begun": "开始", "Last seen": "最近活动", "End all": "全部结束", "People": "人员", "Role": "角色", "with codes": "使用验证码", "All robots": "全部机器人",
    "May not log in": "禁止登录", "Add a person": "添加人员", "Pushes": "推送",
    "Lines that end with @ and alarms go these ways; what fails is tried again, and nothing is dropped.": "以 @ 结尾的日志和告警由此推送；失败会重试，不会丢弃。",
    "Test": "测试", "Add a way": "添加方式", "mail": "邮件", "url": "URL", "Server": "服务器", "User name": "用户名", "To": "收件人",
    "URL, with {title} and {body}": "URL，含 {title} 和 {body}", "Body to post; empty for GET": "POST 内容；留空则用 GET", "The newest pushes": "最近推送",
    "Add a node": "添加节点", "Address of the daemon; empty for this machine's": "守护进程地址；留空为本机", "Image": "镜像",
    "Address of the scheduler": "调度器地址", "Network": "网络", "Memory, MiB": "内存 (MiB)", "File of the authority's certificate": "CA 证书文件",
    "File of the certificate": "证书文件", "File of its key": "私钥文件", "Groups": "分组", "The two new passwords differ.": "两次输入的新密码不一致。", "The test was sent.": "测试已发送。",
    "The password of {name}, shown this once: {password}": "{name} 的密码（只显示这一次）：{password}", "Who": "操作者", "What": "操作", "Target": "对象", "Older": "更早",
}  # fmt: skip
CHINESE: Mapping[str, str] = MappingProxyType(_CHINESE)
"""The Chinese text of each English one."""


def translated(english: str, language: str) -> str:
    """A text of the pages in a language; the English one where there is no other."""
    return CHINESE.get(english, english) if language == "zh" else english
