"""The names that columns of published data sets have, and which part of an example each name stands for.

Names are compared without case, spaces, underscores, accents and the traditional forms of Chinese characters. What has
none of these names is mapped by hand (`templates`).
"""

import re
import unicodedata
from collections.abc import Collection, Iterable


def split_names(words: str) -> tuple[str, ...]:
    """The names in `words`, which are parted by bars."""
    return tuple(words.split("|"))


INSTRUCTION = ("instruction", "instruct", "指令", "任务", "要求")
INPUT = ("input", "输入")
ANSWERS = split_names(
    "chosen|output|response|answer|completion|reply|target|assistant|gpt|bot|a|answers|outputs|responses|"
    "best answer|accepted answer|correct answer|reference answer|model answer|moss|expected output|expected answer|"
    "ground truth|solution|output text|answer text|response j|chosen response|response chosen|preferred|"
    "preferred output|answer key|answerkey|model response|suggested reply|standard answer|final answer|"
    "respuesta|reponse|antwort|resposta|risposta|antwoord|odpowiedz|cevap|jawaban|ответ|答え|답변|대답|응답|답|cau tra loi|"
    "答案|回答|回复|输出|答|答复|解答|应答|标准答案|标准回答|标准回复|参考答案|正确答案|回答内容|回复内容|答案内容|客服|"
    "客服回复|客服回答|医生回复|医生回答|助手|助理|模型回答|期望输出"
)
QUESTIONS = (
    *INSTRUCTION,
    *INPUT,
    *split_names(
        "prompt|query|question|ask|q|user|human|inputs|questions|prompts|request|user input|user query|"
        "user question|user prompt|input text|question text|question content|problem|utterance|提示|提示词|"
        "问题|提问|问|问句|问法|题目|题干|咨询|用户|客户|用户问题|客户问题|用户提问|用户输入|客户提问|"
        "问题内容|问题描述|提问内容|咨询内容|患者提问|标准问题|标准问|主问题|text input|pregunta|frage|pergunta|domanda|vraag|"
        "pytanie|soru|pertanyaan|вопрос|质问|질문|cau hoi"
    ),
)
CONTEXTS = split_names(
    "context|contexts|reference|references|passage|passages|background|knowledge|evidence|document|"
    "documents|story|article|news|options|choices|option|context text|additional information|extra info|hint|description|desc|details|"
    "contexto|kontext|contexte|자료|上下文|背景|背景知识|背景资料|参考|参考资料|参考内容|已知信息|资料|材料|材料内容|知识|"
    "文档|文章|短文|阅读材料|段落|选项|选择项|备选项|补充说明|问题补充|补充|描述|详情|问题详情|提示信息"
)
TITLES = ("title", "标题")
BODIES = ("content", "body", "text", "内容", "正文")
"What stands below a title that asks."
DETAILED = split_names("ask|desc|description|details|描述|详情|提问内容|问题描述|咨询内容")
CHATS = split_names(
    "messages|conversations|conversation|dialogue|dialog|dialogues|dialogs|chat|chats|turns|rounds|"
    "paragraph|utterances|对话|消息|会话|聊天记录|多轮对话"
)
HISTORY = split_names("history|histories|past|chat history|历史|历史对话|对话历史")
SYSTEM = split_names(
    "system|system prompt|meta instruction|system message|system instruction|sys|系统提示|系统提示词|系统|系统消息|人设"
)
REJECTED = split_names(
    "rejected|rejected response|response rejected|rejected answer|rejected output|response k|dispreferred|"
    "bad answer|bad response|negative answer|incorrect answer|incorrect answers|wrong answer|wrong answers|distractors|non preferred output|loser|被拒绝|拒绝回答|差回答|较差回答|错误回答"
)
REASONING = split_names(
    "complex cot|cot|reasoning|reasoning content|thinking|thoughts|thought|think|chain of thought|"
    "rationale|reasoning process|reasoning chain|reasoning trace|思考|思维链|推理|推理过程|思考过程|"
    "思考内容"
)
VERDICTS = split_names(
    "label|kto tag|weight|loss|loss weight|loss mask|learn|train|training|trainable|train on turn|is good|good|is chosen|"
    "accepted|is accepted|accept|approved|is correct|correct|is valid|valid|feedback|verdict|标签|采纳|是否采纳|是否正确|"
    "是否有效|是否学习|是否训练|学习|权重|有效|评价|status|review|review status|quality|usable|keep|passed|pass|use|in use|"
    "moderation|review result|thumbs|rating|ratings|对错|点赞|审核意见|审核结论|复核|复核结果|复核意见|人工审核|"
    "用户反馈|状态|审核|审核结果|审核状态|质检|质检结果|质检结论|结论|是否采用|采用|是否通过|是否合格|合格|是否可用|可用|是否使用|是否保留|保留|是否入库|是否发布"
)
"Columns that say whether a row or an answer is to be learned, where all cells are truth values or weights."
REFUSALS = split_names(
    "mask|masked|is masked|ignore|ignored|skip|exclude|excluded|rejected|is rejected|deleted|is deleted|discard|discarded|removed|"
    "flagged|is flagged|blocked|banned|invalid|is invalid|toxic|is toxic|harmful|is harmful|unsafe|spam|is spam|obsolete|deprecated|"
    "outdated|expired|hallucinated|hallucination|is hallucination|wrong|is wrong|incorrect|is incorrect|"
    "忽略|是否忽略|排除|是否排除|屏蔽|是否屏蔽|删除|是否删除|已删除|作废|是否作废|已作废|废弃|是否废弃|停用|是否停用|下架|是否下架|"
    "过期|是否过期|失效|是否失效|违规|是否违规|敏感|是否敏感|有害|是否有害|是否错误|幻觉|是否幻觉"
)
"The same, where true says that it is not."
WEIGHTS = (
    "weights",
    "losses",
    "loss weights",
    "loss masks",
    "masks",
    "train mask",
    "train masks",
    "loss",
    "loss mask",
    "mask",
    "weight",
)
"The same as a list, a value for each answer or each message."
SCORES = split_names(
    "score|scores|rating|ratings|reward|rewards|quality|quality score|reward score|rm score|preference score|rank|stars|"
    "grade|confidence|probability|similarity|置信度|相似度|overall score|overall rating|helpfulness|helpful|upvotes|votes|likes|weight|loss weight|评分|得分|分数|打分|"
    "质量|质量分|质量评分|星级|满意度|排名|点赞数|奖励|权重|评价"
)
"Numbers that say how good an answer is; which of them are good enough, the file does not say."
MEDIA = split_names("images|image|audios|audio|videos|video|image path|image url|pictures|图片|图像|音频|视频")
TOOLS = split_names("tools|functions|available tools|tool list|工具|工具列表")
CALLS = split_names("tool calls|function call|tool call")
SPLITS = split_names("split|subset|set|fold|partition|data split|usage|划分|数据划分|数据集|集合|用途")
SPEAKERS = split_names(
    "role|from|from name|speaker name|sender name|author name|sender type|speaker role|sender role|message role|speaker|sender|author|who|说话人|角色|发送者|发送人|发言人|昵称|发送方|说话者|发言者|讲话人|身份|人物"
)
TEXTS = split_names(
    "content|value|text|parts|message|utterance|line|msg|body|message text|内容|消息|文本|话|消息内容|聊天内容|发言|发言内容"
)
_IDS = re.compile(
    r"(.*[\s_.-])?(id|ids|idx|index|uuid|guid|hash|no|number)|.*[a-z]I[dD]|编号|序号|行号|编码|代码|工号|单号|.*(编号|序号)|.*ID|\#\d+|unnamed:.*",
    re.IGNORECASE,
)
_NEARLY = {
    "question": re.compile(r"question|prompt|query|instruction|问(?![卷候责])|咨询|题目", re.IGNORECASE),
    "answer": re.compile(r"answer|response|reply|completion|output|答(?![辩卷])|回复", re.IGNORECASE),
}
_ABOUT = re.compile(
    r"(^|[\s_.-])(ids?|idx|type|kind|count|num|number|time|date|url|score|len|length|source|tokens?|lang\w*|model|name)($|[\s_.-])"
    r"|(类型|类别|分类|编号|序号|时间|日期|次数|数量|字数|长度|来源|评分|得分|链接|网址|人|者|状态|语言|模型)$",
    re.IGNORECASE,
)
_CODE = re.compile(r"[A-Za-z]{0,4}[-_#/]?\d[\d\-_/.]{0,30}[A-Za-z]?")
_OPTION = re.compile(r"(?:option|choice|选项|选择|opt|op) ?([a-h1-8一二三四五六])")
_WORDS = re.compile(r"[^\W\d_]")
_TRADITIONAL = str.maketrans(
    "問題覆復應輸內話對訊標參資選項說類質測試驗訓練", "问题复复应输内话对讯标参资选项说类质测试验训练"
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z][a-z]{2})")
HAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def fold(name: str) -> str:
    """`name` without case, outer spaces, accents, and differences of underscore, dash, space and inner capitals."""
    plain = name.replace("\ufeff", "").strip()
    if not plain.isascii():
        plain = _without_accents(plain).translate(_TRADITIONAL)
    return re.sub(r"[\s_\-]+", " ", _CAMEL.sub(" ", plain).lower())


def _without_accents(name: str) -> str:
    """`name` with Latin letters bare; other scripts as they are."""
    parts = unicodedata.normalize("NFKC", name)
    return "".join(unicodedata.normalize("NFD", one)[0] if "\u00c0" <= one < "\u0250" else one for one in parts)


def folded(columns: Iterable[str]) -> dict[str, str]:
    """Folded name -> the first column that has it, in the order of the file."""
    names: dict[str, str] = {}
    for column in columns:
        names.setdefault(fold(column), column)
    return names


def first(names: dict[str, str], wanted: Iterable[str]) -> str | None:
    """The column of the first of the `wanted` names that is there."""
    return next((names[name] for name in wanted if name in names), None)


def nearly(column: str) -> str:
    """ "question" or "answer" where the name of `column` has the word in it and is not about it (its type, its number)."""
    if _ABOUT.search(column) or is_identifier(column):
        return ""
    found = [role for role, words in _NEARLY.items() if words.search(column)]
    return found[0] if len(found) == 1 else ""


def is_context(column: str) -> bool:
    """Return whether `column` is told beside a question: a context, a document, one of its options."""
    return fold(column) in CONTEXTS or _OPTION.fullmatch(fold(column)) is not None


def option_letter(column: str, columns: Collection[str]) -> str:
    """The letter or number of the option that `column` holds: of A beside B and C, of 选项A, option_1; empty for any other."""
    bare = column.strip()
    if len(bare) == 1:
        return bare if bare.upper() in "ABCDE" and len(columns) > 3 else ""
    found = _OPTION.fullmatch(fold(column))
    return found[1].upper() if found else ""


def is_score(column: str) -> bool:
    """Return whether `column` says how good an answer is."""
    name = fold(column)
    return name in SCORES or re.search(r" (?:score|rating|reward)$|(?:评分|得分)$", name) is not None


def is_identifier(column: str) -> bool:
    """Return whether `column` numbers rows and says nothing."""
    return _IDS.fullmatch(column.strip()) is not None


def is_code(value: str) -> bool:
    """Return whether a cell is the number of something, with some letters: K001, INV-2024-17."""
    return _CODE.fullmatch(value.strip()) is not None


def holds_text(value: object) -> bool:
    """Return whether a cell, list or object holds words: two letters, or one Chinese character."""
    if isinstance(value, str):
        head = value[:400]
        return HAN.search(head) is not None or len(_WORDS.findall(head)) > 1
    if isinstance(value, dict):
        return any(holds_text(one) for one in value.values())
    return isinstance(value, list) and any(holds_text(one) for one in value[:20])
